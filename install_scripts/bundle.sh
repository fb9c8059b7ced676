#!/bin/sh
# Makes an offline bundle of this checkout: wheels, weights and the installer in one folder, for machines of this kind
# (system, processor, version of Python) that have no network.
# usage: bundle.sh FOLDER [--torch cpu|cuda|rocm|mps] [--weights blazepose --accept-licence] [install.sh's options]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
case ${1:-} in
    '' | -*)
        sed -n '2,4s/^# //p' "$0" >&2
        exit 2
        ;;
esac
folder=$1
shift
exec "$here/install.sh" --bundle "$folder" "$@"
