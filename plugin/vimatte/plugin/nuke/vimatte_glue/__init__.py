"""The glue: decisions as plain functions (plan, colour, people, graph, script, state), and a thin rest calls Nuke."""
