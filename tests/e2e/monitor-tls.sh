#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# monitor-tls.sh BUILD: databases and receivers on other machines. A Prometheus with TLS and basic authentication, a VictoriaMetrics behind a vmauth
# that wants a bearer token, a PostgreSQL with TLS and passwords: each is fed with the right certificate; a wrong authority, a wrong name, an
# expired certificate, a wrong secret and a file that others may read are refused, and status says so; once it is right, all goes on and nothing
# is lost. No secret is ever on a command line, in a log, in a message or in a file of the monitor's.
# shellcheck disable=SC2034,SC2015 # for lib.sh; fail ends the test
BUILD=$1
# shellcheck disable=SC1091 source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

for bin in /usr/lib/postgresql/*/bin; do [ -x "$bin/postgres" ] && PG_BIN=$bin; done
[ -n "${PG_BIN:-}" ] || skip "no PostgreSQL in /usr/lib/postgresql: see cmake/install-deps.sh test"
for program in prometheus victoria-metrics vmauth openssl; do
    command -v $program >/dev/null || skip "no $program here: see cmake/install-deps.sh test"
done
PASSWORD="not a secret: weft's tests" TOKEN=tok3n-that-is-right-0123456789 WRONG=wr0ng-secret-0123456789
# shellcheck disable=SC2016 # bcrypt of PASSWORD
BCRYPT='$2b$04$abcdefghijklmnopqrstuuxCWS0cTjMf20xn0Q7pKf.PJuGTvh1l.'
PG=$(mktemp -d /tmp/weft-pq.XXXXXX)
AS=""
if [ "$(id -u)" -eq 0 ]; then # which postgres refuses
    AS="setpriv --reuid=postgres --regid=postgres --clear-groups"
    chown postgres: "$PG"
fi
at_finish() { rm -rf "$PG"; }
secret() { (umask 077 && printf '%s\n' "$2" >"$WORK/$1"); } # FILE LINE

# ---- certificates ---------------------------------------------------------------------------------------------------------------

T=$WORK/tls
mkdir "$T"
cat >"$T/ca.cnf" <<EOF2
[ca]
default_ca = all
[all]
new_certs_dir = $T
database = $T/index
serial = $T/serial
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
EOF2
touch "$T/index"
echo 01 >"$T/serial"
new_key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$T/$1.key" "${@:2}" >>"$T/log" 2>&1 || fail "openssl: $(cat "$T/log")"; }
authority() { new_key "$1" -x509 -out "$T/$1.pem" -subj "/CN=$1" -days 2; }
certificate() { # NAME AUTHORITY HOST END
    new_key "$1" -out "$T/$1.csr" -subj "/CN=$3" -addext "subjectAltName=DNS:$3"
    openssl ca -batch -notext -config "$T/ca.cnf" -cert "$T/$2.pem" -keyfile "$T/$2.key" -in "$T/$1.csr" -out "$T/$1.pem" \
        -startdate 20200101000000Z -enddate "$4" >>"$T/log" 2>&1 || fail "openssl: $(cat "$T/log")"
}
authority ours
authority another
certificate right ours localhost 20491231000000Z
certificate strange another localhost 20491231000000Z
certificate elsewhere ours db.example 20491231000000Z
certificate expired ours localhost 20210101000000Z

# ---- servers --------------------------------------------------------------------------------------------------------------------

prometheus=$(free_port) victoria=$(free_port) vmauth=$(free_port) postgres=$(free_port)
printf 'global: {scrape_interval: 1h}\n' >"$WORK/prometheus.yml"
web() { # CERTIFICATE: Prometheus reads it anew for each connection
    cp "$T/$1.key" "$T/prometheus.key" && cp "$T/$1.pem" "$T/prometheus.pem"
    printf "tls_server_config: {cert_file: prometheus.pem, key_file: prometheus.key}\nbasic_auth_users: {weft: '%s'}\n" "$BCRYPT" >"$T/web.yml"
}
web expired
start_program prometheus prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.config.file="$T/web.yml" \
    --web.listen-address="127.0.0.1:$prometheus" --web.enable-remote-write-receiver --log.level=warn
start_program victoria victoria-metrics -storageDataPath="$WORK/vm" -httpListenAddr="127.0.0.1:$victoria" -loggerLevel=ERROR
printf 'users: [{bearer_token: %s, url_prefix: "http://127.0.0.1:%s"}]\n' $TOKEN "$victoria" >"$WORK/vmauth.yml"
start_program vmauth vmauth -auth.config="$WORK/vmauth.yml" -httpListenAddr="127.0.0.1:$vmauth" -tls -tlsCertFile="$T/right.pem" -tlsKeyFile="$T/right.key" -loggerLevel=ERROR
asked() { # URL NAME: the number that this metric has at a Prometheus or VictoriaMetrics
    python3 - "$1" "$2" "$T/ours.pem" "$PASSWORD" <<'EOF2'
import base64, ssl, sys, urllib.request
url, name, ca, password = sys.argv[1:]
request = urllib.request.Request(url, headers={"Authorization": "Basic " + base64.b64encode(b"weft:" + password.encode()).decode()})
context = ssl.create_default_context(cafile=ca) if url.startswith("https") else None
text = urllib.request.urlopen(request, timeout=20, context=context).read().decode()
print(sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(name)))
EOF2
}
make_postgres() {
    # shellcheck disable=SC2086 # AS is words
    (cd "$PG" && $AS "$PG_BIN/initdb" -D data -A trust -U owner -E UTF8 --locale=C --no-sync >/dev/null)
    printf 'local all owner trust\nhostssl all weft 127.0.0.1/32 scram-sha-256\n' >"$PG/data/pg_hba.conf"
    shown expired
    # shellcheck disable=SC2086,SC2015
    cd "$PG" && start_program postgres $AS "$PG_BIN/postgres" -D data -k "$PG" -p "$postgres" -c listen_addresses=127.0.0.1 -c fsync=off -c ssl=on \
        -c ssl_cert_file="$PG/tls.pem" -c ssl_key_file="$PG/tls.key"
    cd - >/dev/null || exit
    until_ok psql 'SELECT 1'
    psql "CREATE ROLE weft LOGIN PASSWORD '${PASSWORD//\'/\'\'}'"
    psql "CREATE DATABASE weft OWNER weft"
}
psql() { "$PG_BIN/psql" -qtAh "$PG" -p "$postgres" -U owner "${2:-postgres}" -c "$1"; }
shown() { # CERTIFICATE: what PostgreSQL shows from now on, and to whom was there
    install -m 600 "$T/$1.pem" "$PG/tls.pem" && install -m 600 "$T/$1.key" "$PG/tls.key"
    [ -z "$AS" ] || chown postgres: "$PG"/tls.*
    [ ! -f "$WORK/postgres.pid" ] || { kill -HUP "$(cat "$WORK/postgres.pid")" && psql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'weft'" >/dev/null; }
}

make_mesh servers
(cd "$WORK" && "$WEFT" product new meter --kind metric >/dev/null)
sed -i 's/domain: monitoring/domain: servers/' "$WORK/meter.yaml"
"$WEFT" product build "$WORK/meter.yaml" >/dev/null
weft_at servers-node product apply "$WORK/meter.yaml" >/dev/null
make_reader servers-node watch service
make_postgres

# ---- remote write ---------------------------------------------------------------------------------------------------------------

run_writer() { # NAME URL AUTH
    start_program "write-$1" "$MONITOR" write --dir "$WORK/watch" --db "$WORK/$1.db" --remote "$2" --remote-auth "$WORK/$3" --remote-ca "$T/ours.pem" \
        --remote-state "$WORK/$1.remote" --every 1 --from earliest
}
status_of() { { "$MONITOR" status --db "$WORK/$1.db" --alerts "$WORK/none" --remote-state "$WORK/$1.remote" || true; } >"$WORK/$1.status" 2>&1; }
tells() { status_of "$1" && grep -q "$2" "$WORK/$1.status"; } # NAME WORDS
sends() { tells "$1" '^remote write: .* 50 samples.* 0 dropped; last taken [0-9]'; }
ends_with_77() { # NAME
    over() { ! kill -0 "$(cat "$WORK/write-$1.pid")" 2>/dev/null; }
    until_ok over "$1"
    got=0
    wait "$(cat "$WORK/write-$1.pid")" || got=$?
    rm "$WORK/write-$1.pid"
    [ $got = 77 ] || fail "$1: a secret that is not known ends with $got"
}

publish() { seq "$1" "$2" | sed 's/.*/{"id":"s&","value":&}/' | weft_at servers-node publish meter --wait -q || fail "publish"; } # a series each
publish 1 50
secret basic "basic weft:$PASSWORD"
secret basic-wrong "basic weft:$WRONG"
secret bearer "bearer $TOKEN"
secret bearer-wrong "bearer $WRONG"
echo "remote write: a certificate that expired, of another host, of another authority; then the right one"
run_writer prometheus "https://localhost:$prometheus/api/v1/write" basic
until_ok tells prometheus '^process write .*SSL certificate.* expired'
web elsewhere
until_ok tells prometheus "^process write .*does not match\|^process write .*no alternative certificate subject name matches"
web strange
until_ok tells prometheus '^process write .*SSL certificate.* unable to get local issuer'
web right
until_ok sends prometheus
stop write-prometheus
[ "$(asked "https://localhost:$prometheus/metrics" prometheus_tsdb_head_samples_appended_total)" = 50 ] || fail "Prometheus has not 50 samples"
echo "a password and a token that are wrong: 77, named, nothing dropped; the right ones"
run_writer vmauth "https://localhost:$vmauth/api/v1/write" bearer-wrong
ends_with_77 vmauth
tells vmauth '^remote write: .* 0 dropped.*HTTP 40[01]: .*\*\*\*' || fail "not told: $(cat "$WORK/vmauth.status")"
run_writer vmauth "https://localhost:$vmauth/api/v1/write" bearer
until_ok sends vmauth
has_all() { [ "$(asked "http://127.0.0.1:$victoria/metrics" 'vm_rows_inserted_total{type="promremotewrite"}')" -ge 50 ]; }
until_ok has_all
tells vmauth ' 0 dropped' || fail "dropped: $(cat "$WORK/vmauth.status")"
publish 51 60
run_writer prometheus "https://localhost:$prometheus/api/v1/write" basic-wrong
ends_with_77 prometheus
tells prometheus '^remote write: .* 0 dropped.*HTTP 401' || fail "not told: $(cat "$WORK/prometheus.status")"
refused() { # WORDS ARGUMENT...: the writer does not begin
    words=$1 got=0
    shift
    "$MONITOR" write --dir "$WORK/watch" --remote "https://localhost:$prometheus/" --remote-state "$WORK/no.remote" "$@" >"$WORK/refused.log" 2>&1 || got=$?
    [ $got = 78 ] && grep -q "$words" "$WORK/refused.log" || fail "$*: $got, $(cat "$WORK/refused.log")"
}
refused 'none.pem: No such file' --remote-ca "$T/none.pem"
chmod 640 "$WORK/basic"
refused 'nobody else may read' --remote-auth "$WORK/basic"

# ---- PostgreSQL -----------------------------------------------------------------------------------------------------------------

conninfo() { echo "postgresql://weft@${1:-localhost}:$postgres/weft?sslmode=verify-full&sslrootcert=$T/${2:-ours}.pem&passfile=$WORK/${3:-pgpass}"; }
no_database() { # WORDS HOST AUTHORITY PASSFILE [COMMAND...]: status, or that command, says so
    words=$1 at=$(conninfo "$2" "$3" "$4") got=0
    shift 4
    "$MONITOR" "${@:-status}" --db "$WORK/none.db" --database "$at" >"$WORK/refused.log" 2>&1 || got=$?
    [ $got -ne 0 ] && grep -q "$words" "$WORK/refused.log" || fail "$at $*: exit $got, not '$words' but $(cat "$WORK/refused.log")"
}
secret pgpass "localhost:$postgres:weft:weft:${PASSWORD//:/\\:}"
secret pgpass-wrong "localhost:$postgres:weft:weft:$WRONG"
secret pgpass-other "db.example:*:*:*:$WRONG"
secret pgpass-open "$(cat "$WORK/pgpass")"
chmod 644 "$WORK/pgpass-open"
echo "PostgreSQL with verify-full: what is wrong is named"
no_database 'certificate verify failed' localhost ours pgpass # it expired
no_database 'certificate verify failed' localhost ours pgpass store --once --every 1 --dir "$WORK/watch"
shown right
no_database 'certificate verify failed' localhost another pgpass
no_database 'does not match host name "127.0.0.1"' 127.0.0.1 ours pgpass
no_database 'password authentication failed' localhost ours pgpass-wrong
no_database 'pgpass-other has none for this server' localhost ours pgpass-other
no_database 'pgpass-open is left alone, as others may read it: chmod 600' localhost ours pgpass-open
no_database 'pgpass-gone is not there' localhost ours pgpass-gone
got=0
"$MONITOR" store --dir "$WORK/watch" --database "postgresql://weft:$WRONG@localhost/weft" >"$WORK/refused.log" 2>&1 || got=$?
[ $got = 64 ] && grep -q 'a password does not belong there' "$WORK/refused.log" || fail "a password was taken from the command line: $got, $(cat "$WORK/refused.log")"

echo "what is right is stored over TLS; a certificate that expires while it runs is named, and a new one is enough"
start_program monitor "$MONITOR" run --dir "$WORK/watch" --db "$WORK/tls.db" --database "$(conninfo)" --every 1
stored() { [ "$(psql 'SELECT count(*) FROM servers_meter' weft)" -ge "$1" ]; }
until_ok stored 60
[ "$(psql "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'weft' AND NOT s.ssl")" = 0 ] || fail "a connection without TLS"
sees() { "$MONITOR" status --db "$WORK/tls.db" --database "$(conninfo)" --alerts "$WORK/none" --remote-state "$WORK/none" >"$WORK/tls.status" 2>&1; }
says() { { sees || true; } && grep -q "$1" "$WORK/tls.status"; }
until_ok sees
shown expired
publish 61 70
until_ok says '^process store .*certificate verify failed'
shown right
until_ok stored 70
until_ok sees
[ "$(psql 'SELECT count(*) || count(DISTINCT _offset)::text FROM servers_meter' weft)" = 7070 ] || fail "not each record once"

echo "no secret where somebody could read it"
for pid in $(cat "$WORK/monitor.pid") $(cat "/proc/$(cat "$WORK/monitor.pid")/task/"*/children) $(cat "$WORK/write-vmauth.pid"); do
    tr '\0' '\n' <"/proc/$pid/cmdline" >>"$WORK/seen"
    tr '\0' '\n' <"/proc/$pid/environ" >>"$WORK/seen"
done
grep -q verify-full "$WORK/seen" || fail "the command lines were not seen"
stop monitor
stop write-vmauth
for text in "$PASSWORD" "$TOKEN" "$WRONG" "$(printf 'weft:%s' "$PASSWORD" | base64)" "$(printf 'weft:%s' "$WRONG" | base64)"; do
    found=$(grep -alF -- "$text" "$WORK/seen" "$WORK"/*.log "$WORK"/*.status "$WORK"/*.db* "$WORK"/*.remote* || true)
    [ -z "$found" ] || fail "'$text' stands in $found"
done
