#!/bin/sh
# Runs a server for as long as whoever started this script is alive.
#
#   supervise.sh COMMAND [ARGUMENT...]
#
# The starter keeps the other end of stdin open and never writes to it. The kernel closes it when the starter ends,
# even by SIGKILL, and then the server is killed. File descriptor 3 gets the server's process id, one line.
# The exit status is the server's.

exec 4<&0

"$@" </dev/null 3>&- 4<&- &
server=$!
echo "$server" >&3
exec 3>&-

(
  while read -r _ <&4; do :; done
  # A stopped process (SIGSTOP) is killed as well.
  kill -s KILL "$server"
) &
watcher=$!

wait "$server"
status=$?
# Before the process id can be given to another program.
kill -s KILL "$watcher"
exit "$status"
