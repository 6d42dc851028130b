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

$nestsim trace generate nested-ping-pong big.nst accesses=300k seed=3 2>/dev/null || exit 2
$nestsim trace generate nested-ping-pong small.nst accesses=20k seed=4 2>/dev/null || exit 2
cp "$root/traces/captures/bochs-vmx-1cpu.hw.txt.xz" recording || exit 2

whole() { # file: a trace verifies; JSON, pages and tables end as they must
    case $1 in
        *.nst) $nestsim trace verify "$1" >/dev/null 2>&1 ;;
        *.json) [ "$(head -c 1 "$1")" = "{" ] && [ "$(tail -c 2 "$1")" = "}" ] ;;
        *.html) tail -c 20 "$1" | grep -q '</html>' ;;
        *.csv) [ -z "$(tail -c 1 "$1")" ] ;;
    esac
}

mixed() { # one of the files of a set is of the other of the two commands that take turns
    [ -f out/results.json ] || [ -f out/results.csv ] || [ -f out/config.json ] || return 1
    local json csv config
    json=$(grep -o '"seed": *"*[12]' out/results.json | grep -o '[12]' | head -1)
    config=$(grep -o '"seed": *"*[12]' out/config.json | grep -o '[12]' | head -1)
    csv=$(sed -n 2p out/results.csv | grep -q '^kvm-6.12' && echo 1 || echo 2)
    [ "$json" != "$config" ] || [ "$json" != "$csv" ]
}

try() { # name, command of the first kind, command of the second kind; what they write is in the folder out
    local name=$1 one=$2 other=$3 killed=0 half=0 mix=0 blocked=0 left=0 span i pid file command
    bash -c "exec $one" >/dev/null 2>&1
    span=$(date +%s%N)
    bash -c "exec $one" >/dev/null 2>&1
    span=$(( ($(date +%s%N) - span) / 1000000 ))
    for ((i = 0; i < count; i++)); do
        command=$one
        [ $((RANDOM % 2)) -eq 0 ] && command=$other
        bash -c "exec $command" >/dev/null 2>&1 &
        pid=$!
        sleep "$(awk -v s="$span" -v r="$RANDOM" 'BEGIN { printf "%.3f", s * r / 32768 / 1000 }')"
        kill -9 $pid 2>/dev/null && killed=$((killed + 1))
        wait $pid 2>/dev/null
        for file in out/*; do
            [ -f "$file" ] && ! whole "$file" && half=$((half + 1)) && echo "half: $name: $file"
        done
        mixed && mix=$((mix + 1))
        left=$((left + $(find out -name '.nestsim-*' | wc -l)))
    done
    bash -c "exec $one" >/dev/null 2>&1 || blocked=1
    echo "$name: $killed of $count killed within $span ms, half files $half, mixed sets $mix, hidden leftovers $left, next run blocked $blocked"
    [ $((half + mix + blocked)) -eq 0 ] || bad=1
    rm -rf out
    mkdir out
}

mkdir out
try run "$nestsim run big.nst -p kvm-6.12 --seed 1 -o out" "$nestsim run big.nst -p never --seed 2 -o out"
try compare "$nestsim compare big.nst -p kvm-6.12,kvm-6.2 --seed 1 -o out" "$nestsim compare big.nst -p never,kvm-5.14 --seed 2 -o out"
try convert "$nestsim trace convert big.nst out/copy.nst" "$nestsim trace convert small.nst out/copy.nst"
try lift "$nestsim trace lift recording -o out/lifted.nst --answer-key out/key.csv" "$nestsim trace lift recording -o out/lifted.nst"
$nestsim compare small.nst -p kvm-6.12,never --json result.json >/dev/null 2>&1
$nestsim compare small.nst -p kvm-5.14,never --json other.json >/dev/null 2>&1
try report "$nestsim report result.json -o out/page.html" "$nestsim report other.json -o out/page.html"
try "gate --update" "$nestsim gate result.json -b out/baseline.json --update" "$nestsim gate other.json -b out/baseline.json --update"
exit $bad
