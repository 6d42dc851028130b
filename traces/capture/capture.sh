#!/bin/sh
# Records a window of memory accesses of real programs with Valgrind's lackey tool (text, gzip): $OUT/<name>.lackey.gz
#
# usage: capture.sh OUT [name...]      names: sort gzip python sqlite (default: all)
#
# Needs valgrind, python3, sqlite3, GNU sort and gzip (Debian packages). Input data are made here from a fixed seed; still, a second capture
# on the same Debian release need not be the same: its window may begin some accesses earlier or later. The window skips the loader
# and the program's start-up: SKIP accesses are dropped, TAKE are kept, then the program is ended.
set -eu
out=$1
shift
[ $# -gt 0 ] || set -- sort gzip python sqlite
mkdir -p "$out"
out=$(cd "$out" && pwd)
data=$out/data
mkdir -p "$data"
export LC_ALL=C

record() { # name skip take command...
    name=$1 skip=$2 take=$3
    shift 3
    echo "$name: $*" >&2
    rm -f "$out/pipe"
    mkfifo "$out/pipe"
    # Arguments and environment lie on the stack: with the same ones, addresses are the same again.
    (cd "$data" && exec env -i PATH=/usr/bin:/bin HOME=/ LC_ALL=C PYTHONHASHSEED=1 \
        valgrind --tool=lackey --basic-counts=no --trace-mem=yes --log-fd=9 "$@") 9>"$out/pipe" >/dev/null 2>&1 &
    valgrind_pid=$!
    grep -a '^[I ]' <"$out/pipe" | tail -n +"$((skip + 1))" | head -n "$take" | gzip -1 >"$out/$name.lackey.gz.part"
    # Valgrind outlives its reader: it ignores the broken pipe, and SIGTERM meanwhile.
    kill -KILL "$valgrind_pid" 2>/dev/null || true
    wait "$valgrind_pid" || true
    rm -f "$out/pipe"
    mv "$out/$name.lackey.gz.part" "$out/$name.lackey.gz"
}

make_data() {
    python3 - "$data" <<'PY'
import random, sys
random.seed(20260101)
words = [''.join(random.choice('abcdefghijklmnopqrstuvwxyz') for _ in range(random.randint(3, 12))) for _ in range(4000)]
with open(sys.argv[1] + '/lines.txt', 'w') as f:
    for i in range(60000):
        f.write(' '.join(random.choice(words) for _ in range(6)) + ' %d\n' % random.randrange(10**6))
with open(sys.argv[1] + '/rows.sql', 'w') as f:
    f.write('pragma journal_mode=off; pragma cache_size=20000;\n'
            'create table t(id integer primary key, k text, v int); begin;\n'
            'with recursive c(i) as (select 1 union all select i+1 from c where i<30000) '
            "insert into t select i, hex((i*2654435761)%4294967291), (i*40503)%65521 from c; commit;\n"
            'create index tk on t(k); select count(*), sum(a.v) from t a join t b on a.k=b.k where b.v%7=0;\n'
            'select v%100, count(*), max(k) from t group by 1 order by 2;\n')
PY
}

[ -f "$data/lines.txt" ] || make_data
for name in "$@"; do
    case $name in
    sort) record sort 100000000 2500000 sort -S 64M --parallel=1 lines.txt ;;
    gzip) record gzip 20000000 1500000 gzip -9 -c lines.txt ;;
    python) record python 150000000 2500000 /usr/bin/python3 -S -c "
d={}
for i in range(200000):
    k=(i*2654435761)%1000003
    d[k]=d.get(k,0)+len(str(i))
s=sorted(d.items(),key=lambda e:(e[1],-e[0]))
print(len(s),s[1000])" ;;
    sqlite) rm -f "$data/rows.db"; record sqlite 60000000 2000000 sqlite3 rows.db ".read rows.sql" ;;
    *) echo "capture.sh: unknown program '$name': sort, gzip, python or sqlite" >&2; exit 2 ;;
    esac
done
