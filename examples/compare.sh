# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC1003 # sourced by quickstart.sh
# What this host says of itself by its own tools, against what the mesh stored and answers. A fact is a line: what does not move
# ("filesystem / /dev/vda1 ext4 SIZE INODES"), a counter ("KEY VALUE") or a gauge ("KEY WHOLE VALUE").
#
# Facts that stood in a sample before the first collection and in one after the last must all have been collected, and nothing may have been
# collected that no sample has, but for a few sockets that listened for less than the time between two samples. Counters lie between the two samples. Gauges lie within what was seen while they were collected, give or
# take 2 % of the whole and as much as they moved between any two looks, because they move between two looks.

facts_of_links() { # ip's JSON: interfaces, addresses
    ip -j addr | sed 's/{"ifindex"/\n&/g' | awk '
        function field(key,   s) { return match($0, "\"" key "\":\"?[^\",}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : "" }
        /"ifindex"/ {
            name = field("ifname"); mac = field("address"); sub(/^"/, "", name); sub(/^"/, "", mac)
            flags = $0; sub(/.*"flags":\[/, "", flags); sub(/\].*/, "", flags)
            head = $0; sub(/"addr_info".*/, "", head)
            if (!match(head, /"address":"[^"]*"/)) mac = "-"
            printf "interface %s %s %s %s %d\n", name, field("ifindex"), field("mtu"), mac, flags ~ /"UP"/
            rest = $0; sub(/.*"addr_info":/, "", rest)
            while (match(rest, /"local":"[^"]*"[^}]*"prefixlen":[0-9]+/)) {
                one = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
                address = one; sub(/"local":"/, "", address); sub(/".*/, "", address); sub(/.*:/, "", one)
                print "address " name " " address "/" one
            }
        }'
}

# Names may hold blanks: df says where its last two columns begin. It and the mesh differ in how they show a control character or a byte that is
# no UTF-8; any number of those, of quotes and of backslashes is one question mark to both.
plain() { sed 's/[^] !#-[^-~]/?/g; s/?\{1,\}/?/g'; }
# One row a file system: df shows btrfs once a subvolume, and a container's overlay beside the disk that it writes to.
file_systems() { # TARGET SOURCE TYPE SIZE INODES USED, with tabs between
    df -l -B1 --output=fstype,size,itotal,used,source,target | awk '
        NR == 1 { source = index($0, "Filesystem"); target = index($0, "Mounted on"); next }
        $1 !~ /^fuse(\.|$)/ {
            device = substr($0, source, target - source); sub(/ +$/, "", device)
            at = substr($0, target); inodes = $3 == "-" ? 0 : $3
            key = $1 == "btrfs" ? device : NR
            if (!(key in point)) order[++count] = key
            else if (length(at) >= length(point[key])) next
            point[key] = at; type[key] = $1; space[key] = $2 " " inodes
            line[key] = at "\t" device "\t" $1 "\t" $2 "\t" inodes "\t" ($4 == "-" ? 0 : $4)
            if ($1 != "overlay") told[space[key]] = 1
        }
        END {
            for (i = 1; i <= count; i++)
                if (type[order[i]] != "overlay" || !(space[order[i]] in told)) print line[order[i]]
        }'
}

facts_that_may_change() {
    file_systems | awk -F '\t' '{ print "filesystem", $1, $2, $3, $4, $5 }' | plain
    facts_of_links
    ss -tulnH | awk '{
        address = $5; port = $5; sub(/:[^:]*$/, "", address); sub(/.*:/, "", port); sub(/%.*/, "", address); gsub(/[][]/, "", address)
        print "listening", $1, address == "*" ? "::" : address, port }'
    local disk
    for disk in /sys/block/*; do
        [ "$(cat "$disk/size" 2>/dev/null || echo 0)" = 0 ] || echo "disk ${disk##*/} $(($(cat "$disk/size") * 512))"
    done
}

facts_that_stay() {
    awk '$1 == "MemTotal:" { printf "memory %.0f\n", $2 * 1024 } $1 == "SwapTotal:" { printf "swap %.0f\n", $2 * 1024 }' /proc/meminfo
    echo "host $(uname -n) $(uname -r) $(uname -m) $(grep -c '^processor' /proc/cpuinfo)"
    # shellcheck disable=SC2016 # dpkg-query's own variables
    dpkg-query -W -f 'package ${Package} ${Version} ${Architecture} ${db:Status-Status}\n' 2>/dev/null
}

counters() {
    ip -j -s link | sed 's/{"ifindex"/\n&/g' | sed -n \
        's/.*"ifname":"\([^"]*\)".*"stats64":{"rx":{"bytes":\([0-9]*\),"packets":\([0-9]*\).*"tx":{"bytes":\([0-9]*\),"packets":\([0-9]*\).*/\1-rx_bytes \2\n\1-rx_packets \3\n\1-tx_bytes \4\n\1-tx_packets \5/p'
    awk '{ printf "%s-reads %s\n%s-read_bytes %.0f\n%s-writes %s\n%s-written_bytes %.0f\n", $3, $4, $3, $6 * 512, $3, $8, $3, $10 * 512 }' /proc/diskstats
    awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" { printf "cpu-user %.3f\ncpu-system %.3f\n", $2 / hz, $4 / hz } $1 == "processes" { print "forks", $2 }' /proc/stat
    awk '{ print "uptime", $1 }' /proc/uptime
}

gauges() {
    awk '$1 == "MemTotal:" { whole = $2 } $1 ~ /^(MemFree|MemAvailable|Cached):$/ { sub(/:/, "", $1); printf "%s %.0f %.0f\n", $1, whole * 1024, $2 * 1024 }' /proc/meminfo
    file_systems | awk -F '\t' '{ gsub(/ /, "?", $1); print "used-" $1, $4, $6 }' | plain # join(1) takes blanks for separators
}

host_before() { # DIRECTORY: what the host says from here on is kept there, until host_after
    mkdir -p "$1"
    { facts_that_stay && facts_that_may_change; } | sort -u >"$1/before"
    counters | sort -u >"$1/counters-before"
    (
        trap 'exit 0' TERM
        while :; do
            facts_that_may_change >>"$1/seen"
            gauges >>"$1/gauges"
            sleep 0.3
        done
    ) &
    sampler=$!
}

host_after() { # DIRECTORY
    kill "$sampler"
    wait "$sampler"
    { facts_that_stay && facts_that_may_change; } | sort -u >"$1/after"
    gauges >>"$1/gauges"
    counters | sort -u >"$1/counters-after"
    comm -12 "$1/before" "$1/after" >"$1/stood"
    sort -u "$1/before" "$1/after" "$1/seen" >"$1/any"
}

lines_of() { # of a program's jsonl with one column, `line`
    sed -n 's/.*"line":"\(.*\)"}$/\1/p' | sed 's/\\u[0-9a-f]\{4\}/?/g; s/\\./?/g' | plain
}

collected() { # DATABASE ORIGIN: the same lines from the monitor's tables
    local sql i="json_extract(interface, '\$."
    sql="SELECT 'filesystem ' || mountpoint || ' ' || device || ' ' || fstype || ' ' || size || ' ' || ifnull(inodes, 0) AS line, _origin AS o FROM servers_filesystems
        UNION SELECT 'disk ' || device || ' ' || size, _origin FROM servers_disks
        UNION SELECT 'memory ' || total, _origin FROM servers_memory UNION SELECT 'swap ' || ifnull(swap_total, 0), _origin FROM servers_memory
        UNION SELECT 'host ' || name || ' ' || kernel || ' ' || architecture || ' ' || cpus, _origin FROM servers_hosts WHERE _op = 'put'
        UNION SELECT 'package ' || name || ' ' || version || ' ' || architecture || ' ' || state, _origin FROM servers_packages WHERE _op = 'put' AND manager = 'dpkg'
        UNION SELECT 'listening ' || protocol || ' ' || local_address || ' ' || local_port, _origin FROM servers_sockets WHERE _op = 'put' AND state IN ('LISTEN', 'UNCONN')
        UNION SELECT 'interface ' || name || ' ' || ${i}index') || ' ' || ${i}mtu') || ' ' || ifnull(${i}hardwareAddress'), '-') || ' ' || ifnull(${i}enabled'), 0), 'host-1' FROM network_port_inventory WHERE _op = 'put'
        UNION SELECT 'addresses ' || name || ' ' || replace(replace(replace(${i}addresses'), char(34), ''), '[', ''), ']', ''), 'host-1' FROM network_port_inventory WHERE _op = 'put'"
    weft-monitor sql --db "$1" -o jsonl "SELECT line FROM ($sql) WHERE o = '$2'" | lines_of |
        awk '$1 == "addresses" { n = split($3, a, ","); for (i = 1; i <= n; i++) print "address", $2, a[i]; next } { print }' | sort -u
}

collected_numbers() { # DATABASE: KEY LEAST MOST of every counter and gauge, over all rows and origins
    local sql='' c
    for c in rx_bytes rx_packets tx_bytes tx_packets; do sql+="SELECT interface || '-$c' AS k, $c AS v FROM network_interfaces UNION ALL "; done
    for c in reads read_bytes writes written_bytes; do sql+="SELECT device || '-$c', $c FROM servers_disks UNION ALL "; done
    sql+="SELECT 'cpu-user', user FROM servers_cpu WHERE cpu = 'all' UNION ALL SELECT 'cpu-system', system FROM servers_cpu WHERE cpu = 'all'
        UNION ALL SELECT 'forks', forks FROM servers_load UNION ALL SELECT 'uptime', uptime FROM servers_load
        UNION ALL SELECT 'MemFree', free FROM servers_memory UNION ALL SELECT 'MemAvailable', available FROM servers_memory
        UNION ALL SELECT 'Cached', cached FROM servers_memory UNION ALL SELECT 'used-' || replace(mountpoint, ' ', '?'), used FROM servers_filesystems"
    weft-monitor sql --db "$1" -o jsonl "SELECT k || ' ' || min(v) || ' ' || max(v) || ' ' || count(*) AS line FROM ($sql) GROUP BY k" | lines_of | sort
}

compared=0 differing=0 passing=0
differ() { # TEXT
    differing=$((differing + 1))
    [ $differing -gt 20 ] || echo "DIFFERS: $*"
}

compare_facts() { # DIRECTORY WHERE FILE KIND...: lines of FILE of these kinds against the samples
    local dir=$1 where=$2 file=$3 kind line n
    shift 3
    for kind in "$@"; do
        while read -r line; do differ "$where lacks: $line"; done < <(comm -23 "$dir/stood" "$file" | grep "^$kind ")
        while read -r line; do
            if [ "$kind" = listening ] && [ $((passing += 1)) -le 5 ]; then
                echo "  $where: came and went between two looks of ss: $line"
            else
                differ "no tool says what $where has: $line"
            fi
        done < <(comm -13 "$dir/any" "$file" | grep "^$kind ")
        n=$(comm -12 "$dir/stood" "$file" | grep -c "^$kind ")
        compared=$((compared + n))
        case $kind in
        package | listening | address) printf '  %-34s %5d of %d equal\n' "$where: $kind" "$n" "$(grep -c "^$kind " "$dir/stood")" ;;
        *) comm -12 "$dir/stood" "$file" | grep "^$kind " | while read -r line; do printf '  %-34s equal: %s\n' "$where: $kind" "${line#* }"; done ;;
        esac
    done
}

compare_numbers() { # DIRECTORY FILE: what was collected lies within its bounds
    local verdicts
    join "$1/counters-before" "$1/counters-after" | awk '{ print $1, $2, $3, "counter" }' >"$1/bounds"
    awk '{ if (!($1 in whole) || $3 < least[$1]) least[$1] = $3; if (!($1 in whole) || $3 > most[$1]) most[$1] = $3
            step = $1 in whole ? ($3 > last[$1] ? $3 - last[$1] : last[$1] - $3) : 0
            if (step > leap[$1]) leap[$1] = step
            last[$1] = $3; whole[$1] = $2 }
        END { for (k in whole) { give = whole[k] / 50 + leap[k]; printf "%s %.0f %.0f gauge\n", k, least[k] - give, most[k] + give } }' "$1/gauges" >>"$1/bounds"
    sort "$1/bounds" -o "$1/bounds"
    # A hundredth of a second is what the kernel rounds times to.
    verdicts=$(join "$1/bounds" "$2" | awk '{ ok = $5 >= $2 - 0.011 && $6 <= $3 + 0.011
        printf "%s %-34s %s to %s within %s to %s (%d rows)\n", ok ? "ok" : "differs", "  monitor.db: " $1, $5, $6, $2, $3, $7 }')
    sed -n 's/^ok //p' <<<"$verdicts"
    while read -r line; do differ "$line"; done < <(sed -n 's/^differs *//p' <<<"$verdicts")
    compared=$((compared + $(grep -c '^ok ' <<<"$verdicts")))
}
