"""What install.sh and install.ps1 share: standard library only, it runs before anything is installed."""
