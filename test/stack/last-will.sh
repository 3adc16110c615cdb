#!/bin/sh
# Waits until whoever started this script is gone or closes stdin, then runs a command, again until it succeeds.
#
#   last-will.sh COMMAND [ARGUMENT...]

while read -r _; do :; done

attempt=0
until "$@"; do
  attempt=$((attempt + 1))
  if [ "$attempt" -ge 50 ]; then exit 1; fi
  # What the command cleans up may still be in use for a moment by a process that is ending, too.
  sleep 0.1
done
