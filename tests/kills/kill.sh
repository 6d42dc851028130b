#!/usr/bin/env bash
# kill.sh NESTSIM [COUNT]: ends each command that writes files COUNT times (default 100) with SIGKILL at a random moment, and looks at what is left: no half file, no set of which one part is old and another
# new, nothing that keeps the next run from its work. NESTSIM is the command, for instance "dotnet Sim.Cli/bin/Release/net10.0/nestsim.dll". Prints one line for each command; exit code 1 if anything is wrong.
set -u
nestsim=$1
count=${2:-100}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
bad=0

$nestsim trace generate nested-ping-pong big.nst accesses=2M seed=3 2>/dev/null || exit 2
$nestsim trace generate nested-ping-pong small.nst accesses=20k seed=4 2>/dev/null || exit 2
cp "$root/traces/captures/$(ls "$root/traces/captures" | grep -m1 -E 'ftrace|trace|txt')" recording 2>/dev/null

whole() { # file: a trace verifies, JSON and HTML end as they must
    case $1 in
        *.nst) $nestsim trace verify "$1" >/dev/null 2>&1 ;;
        *.json) python3 -c 'import json,sys; json.load(open(sys.argv[1]))' "$1" ;;
        *.html) tail -c 20 "$1" | grep -q '</html>' ;;
        *.csv) [ "$(tail -c 1 "$1" | xxd -p)" = 0a ] ;;
    esac
}

try() { # name, milliseconds of a whole run, command...; the outputs are in the folder out
    local name=$1 span=$2 killed=0 half=0 mixed=0 blocked=0 left=0
    shift 2
    for ((i = 0; i < count; i++)); do
        "$@" >/dev/null 2>&1 &
        local pid=$!
        sleep "$(awk -v s="$span" -v r="$RANDOM" 'BEGIN { printf "%.3f", s * r / 32768 / 1000 }')"
        kill -9 $pid 2>/dev/null && killed=$((killed + 1))
        wait $pid 2>/dev/null
        for file in out/*; do
            [ -f "$file" ] && ! whole "$file" && half=$((half + 1)) && echo "half: $name: $file"
        done
        if [ -f out/results.json ] && [ -f out/config.json ]; then
            python3 - <<'PY' || mixed=$((mixed + 1))
import csv, json, sys
results, config = json.load(open("out/results.json")), json.load(open("out/config.json"))
runs = {row["run"] for row in csv.DictReader(open("out/results.csv"))}
sys.exit(0 if results["provenance"]["configuration"] == config and runs == {run["run"] for run in results["runs"]} else 1)
PY
        fi
        left=$((left + $(find out -name '.nestsim-*' | wc -l)))
        find out -name '.nestsim-*' -delete
    done
    "$@" >/dev/null 2>&1 || blocked=1
    echo "$name: $killed of $count killed, half files $half, mixed sets $mixed, hidden leftovers $left, next run blocked $blocked"
    [ $((half + mixed + blocked)) -eq 0 ] || bad=1
}

fresh() { rm -rf out; mkdir out; }
either() { # a command of one of two configurations in turn, so that a mixed set shows
    if [ $((RANDOM % 2)) -eq 0 ]; then exec $nestsim "$@" --seed 1; else exec $nestsim "$@" --seed 2; fi
}

fresh; try run 1500 bash -c "$(declare -f either); nestsim='$nestsim'; either run big.nst -p kvm-6.12 --measure 300k -o out"
fresh; try compare 2000 bash -c "$(declare -f either); nestsim='$nestsim'; either compare big.nst -p kvm-6.12,never --measure 300k -o out"
fresh; try convert 1500 $nestsim trace convert big.nst out/copy.nst
[ -s recording ] && { fresh; try lift 1500 $nestsim trace lift recording -o out/lifted.nst --answer-key out/key.csv; }
$nestsim compare small.nst -p kvm-6.12,never --json result.json >/dev/null 2>&1
fresh; try report 2500 $nestsim report result.json -o out/page.html
fresh; $nestsim gate result.json -b out/baseline.json --update >/dev/null
try "gate --update" 800 $nestsim gate result.json -b out/baseline.json --update
exit $bad
