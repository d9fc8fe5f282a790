#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/bench/ingest.sh BUILD [--quick | --smoke] [--json FILE] [--only SYSTEM,...]
#   What it costs to store: records that wait in a node's log, read, verified and stored by weft-monitor, beside what others cost for the same values,
#   in one run on one machine. Systems: sqlite, postgresql, remote (weft-monitor write into Prometheus), collectd (its PostgreSQL writer, a row a
#   value by its own example), scrape (Prometheus over node_exporter ten times a second). A record has three values of one of 200 hosts.
#   --quick  a tenth of the records      --smoke  does every row come about? (no figure means anything)
# CPU is that of all processes that store: the monitor's or collectd's, and the servers'. Packages: cmake/install-deps.sh bench; a system
# that is not installed is left out. Exit status: 0 done, 1 a run failed or lost records, 64 usage.
# shellcheck disable=SC2034 # for lib.sh
set -eu
[ -d "${1:-}" ] || { sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 64; }
BUILD=$(cd "$1" && pwd)
HERE=$(cd "$(dirname "$0")" && pwd)
shift
records=1000000 peer=20000 scrapes=100 json="" only="sqlite,postgresql,remote,collectd,scrape"
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) records=200000 peer=5000 scrapes=50 && shift ;;
    --smoke) records=2000 peer=500 scrapes=5 && shift ;;
    --json) json=$(realpath -m "$2") && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    *) exit 64 ;;
    esac
done
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$HERE/../e2e/lib.sh"
DEADLINE=600
for bin in /usr/lib/postgresql/*/bin; do [ -x "$bin/postgres" ] && PG_BIN=$bin; done
PG=$(mktemp -d "${TMPDIR:-/tmp}/weft-ingest.XXXXXX")
AS=""
if [ "$(id -u)" -eq 0 ] && [ -n "${PG_BIN:-}" ]; then # which postgres refuses
    AS="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown postgres: "$PG"
fi
at_finish() { rm -rf "$PG"; }
helper() { python3 -B "$HERE/ingest.py" "$@"; }
wants() { case ",$only," in *",$1,"*) ;; *) return 1 ;; esac; }
pid_of() { cat "$WORK/$1.pid"; }
row() { helper row "$WORK/rows.jsonl" "$@"; } # SYSTEM UNIT COUNT SECONDS CPU OWN

make_mesh servers
(cd "$WORK" && "$WEFT" product new meter --kind metric >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/meter.yaml"
cat >"$WORK/meter.proto" <<'EOF2'
syntax = "proto3";
package meter.v1;
import "weft/v1/options.proto";
message Record {
  string host = 1 [(weft.v1.role) = ROLE_LABEL];
  string kind = 2 [(weft.v1.role) = ROLE_LABEL];
  double shortterm = 3 [(weft.v1.role) = ROLE_GAUGE];
  double midterm = 4 [(weft.v1.role) = ROLE_GAUGE];
  double longterm = 5 [(weft.v1.role) = ROLE_GAUGE];
  int64 at = 6 [(weft.v1.role) = ROLE_TIMESTAMP];
}
EOF2
"$WEFT" product build "$WORK/meter.yaml" >/dev/null
weft_at servers-node product apply "$WORK/meter.yaml" >/dev/null
make_reader servers-node watch service
helper records "$records" | weft_at servers-node publish meter --wait -q

# shellcheck disable=SC2086 # AS is words
start_postgres() {
    (cd "$PG" && $AS "$PG_BIN/initdb" -D data -A trust -U weft -E UTF8 --locale=C >/dev/null)
    cd "$PG" && start_program postgres $AS "$PG_BIN/postgres" -D data -k "$PG" -c listen_addresses=
    cd - >/dev/null
    until_ok "$PG_BIN/pg_isready" -q -h "$PG"
}
psql() { "$PG_BIN/psql" -qtAh "$PG" -U weft postgres -c "$1"; }
start_prometheus() { # CONFIGURATION
    prometheus=$(helper port)
    printf '%s\n' "$1" >"$WORK/prometheus.yml"
    start_program prometheus prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb-$RANDOM" \
        --web.listen-address="127.0.0.1:$prometheus" --web.enable-remote-write-receiver --log.level=error
    until_ok helper get "http://127.0.0.1:$prometheus/-/ready"
}
appended() { helper metric "http://127.0.0.1:$prometheus/metrics" prometheus_tsdb_head_samples_appended_total; }
monitor_run() { # LOG COMMAND...: seconds and CPU of its process
    log=$1
    shift
    helper run "$MONITOR" "$@" --dir "$WORK/watch" --once --every 1 --product servers/meter 2>"$WORK/$log.log"
}

if wants sqlite; then
    read -r seconds cpu <<<"$(monitor_run sqlite store --db "$WORK/bench.db")"
    [ "$(monitor_value bench 'SELECT count(*) AS v FROM servers_meter')" = "$records" ] || fail "SQLite has not all"
    row sqlite records "$records" "$seconds" "$cpu" "$cpu"
fi
if [ -n "${PG_BIN:-}" ]; then
    ! { wants postgresql || wants collectd; } || start_postgres
    if wants postgresql; then
        before=$(helper cpu "$(pid_of postgres)")
        read -r seconds cpu <<<"$(monitor_run postgresql store --db "$WORK/pq.db" --database "host=$PG user=weft dbname=postgres")"
        [ "$(psql 'SELECT count(*) FROM servers_meter')" = "$records" ] || fail "PostgreSQL has not all"
        row postgresql records "$records" "$seconds" "$(helper add "$cpu" "$(helper cpu "$(pid_of postgres)")" "-$before")" "$cpu"
    fi
    if wants collectd && [ -x /usr/sbin/collectd ]; then
        psql "$(cat /usr/share/doc/collectd-core/examples/postgresql/collectd_insert.sql)" >/dev/null 2>&1
        psql 'ALTER DATABASE postgres SET synchronous_commit = off' # a transaction a value list: it would wait for the disk each time
        if [ -n "$AS" ]; then user=postgres; else user=$(id -un); fi # exec's programs are never root's
        helper putval "$peer" >"$PG/putval" && chmod 644 "$PG/putval"
        helper collectd "$PG" "$user" >"$WORK/collectd.conf"
        before=$(helper cpu "$(pid_of postgres)")
        began=$(date +%s.%N)
        start_program collectd /usr/sbin/collectd -f -C "$WORK/collectd.conf" -P "$WORK/collectd-daemon.pid"
        all_there() { [ "$(psql 'SELECT count(*) FROM "values"')" -ge $((peer * 3)) ]; }
        until_ok all_there
        seconds=$(helper add "$(date +%s.%N)" "-$began")
        own=$(helper cpu "$(pid_of collectd)")
        row collectd records "$peer" "$seconds" "$(helper add "$(helper cpu "$(pid_of postgres)")" "$own" "-$before")" "$own"
        # It starts what ends at once again and again, so its program lasts; killed, it can't end it: the program sees that it is alone.
        programs=$(cat /proc/"$(pid_of collectd)"/task/*/children)
        stop collectd KILL
        all_ended() { for p in $programs; do [ ! -e "/proc/$p/exe" ] || return 1; done; }
        [ -n "$programs" ] || fail "collectd had no program"
        DEADLINE=30 until_ok all_ended
    fi
fi
if command -v prometheus >/dev/null; then
    if wants remote; then
        start_prometheus 'global: {scrape_interval: 1h}'
        before=$(helper cpu "$(pid_of prometheus)")
        read -r seconds cpu <<<"$(monitor_run remote write --db "$WORK/none.db" --remote "http://127.0.0.1:$prometheus/api/v1/write" --remote-state "$WORK/remote.db" --from earliest)"
        [ "$(appended)" -ge $((records * 3)) ] || fail "Prometheus has not all: $(appended)"
        row remote samples $((records * 3)) "$seconds" "$(helper add "$cpu" "$(helper cpu "$(pid_of prometheus)")" "-$before")" "$cpu"
        stop prometheus
    fi
    if wants scrape && command -v prometheus-node-exporter >/dev/null; then
        exporter=$(helper port)
        start_program exporter prometheus-node-exporter --web.listen-address="127.0.0.1:$exporter" --log.level=error
        until_ok helper get "http://127.0.0.1:$exporter/metrics"
        start_prometheus "scrape_configs: [{job_name: node, scrape_interval: 100ms, scrape_timeout: 100ms, static_configs: [{targets: ['127.0.0.1:$exporter']}]}]"
        sleep 1
        until_ok appended
        first=$(appended) before=$(helper cpu "$(pid_of prometheus)") began=$(date +%s.%N)
        sleep $((scrapes / 10 + 1))
        cpu=$(helper add "$(helper cpu "$(pid_of prometheus)")" "-$before")
        row scrape samples "$(helper add "$(appended)" "-$first")" "$(helper add "$(date +%s.%N)" "-$began")" "$cpu" "$cpu"
        stop prometheus
        stop exporter KILL
    fi
fi
helper report "$WORK/rows.jsonl" "$json"
