#!/bin/sh
# A phase of `make test`: its title, then its command. The seconds of all phases stand in build/phases, and are shown
# where one fails and with the title "done".
title=$1
shift
mkdir -p build
if [ "$title" = done ]; then
    cat build/phases
    exit 0
fi
echo "== $title"
began=$(date +%s)
"$@"
status=$?
printf '%6d s  %s\n' $(($(date +%s) - began)) "$title" >> build/phases
if [ $status -ne 0 ]; then
    cat build/phases
    echo "$title: failed."
fi
exit $status
