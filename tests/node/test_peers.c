// SPDX-License-Identifier: Apache-2.0
// Whom a node hears of the registry from, when one domain makes as many nodes as it likes: nobody else loses a place by it, and the few that are
// asked in rounds are of all domains. The catalog is played (linked with --wrap).
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/conf.h"
#include "node/core.h"
#include "node/gossip/priv.h"
#include "registry/catalog.h"
#include "tests/support/support.h"

#define MANY   (2 * WF_GOSSIP_KNOWN)
#define OTHERS 5u

static struct wf_node node;
static struct wf_core core;
static struct wf_conf conf;
static struct wf_gossip_room gossip;
static struct wf_charter charter;
static struct wf_member members[WF_MAX_MEMBERS];
static struct wf_seed seeds[WF_MAX_MEMBERS][WF_MAX_SEEDS];

// ---- the catalog -----------------------------------------------------------------------------------------------------

static struct wf_entry_doc docs[MANY + OTHERS];
static struct wf_known known[MANY + OTHERS];
static size_t known_count;

const struct wf_known *__wrap_wf_catalog_next(struct wf_catalog *c, const struct wf_known *after);
const struct wf_known *__wrap_wf_catalog_next(struct wf_catalog *c, const struct wf_known *after)
{
    size_t at = after ? (size_t)(after - known) + 1 : 0;

    (void)c;
    return at < known_count ? &known[at] : NULL;
}

static struct wf_dh_pub key_of(const char *kind, size_t i)
{
    struct wf_dh_pub key;
    struct wf_hash h;
    char text[64];

    snprintf(text, sizeof text, "%s %zu", kind, i);
    wf_blake2b(wf_bytes_str(text), &h);
    memcpy(key.b, h.b, WF_KEY_LEN);
    return key;
}

// In the catalog's order: by domain.
static void advertise(const char *domain, size_t count)
{
    for (size_t i = 0; i < count; i++, known_count++) {
        struct wf_known *k = &known[known_count];
        docs[known_count].node.dh_key = key_of(domain, i);
        *k = (struct wf_known){ .kind = WF_ENTRY_NODE, .doc = &docs[known_count] };
        snprintf(k->domain.s, sizeof k->domain.s, "%s", domain);
        snprintf(k->name.s, sizeof k->name.s, "node-%zu", i);
    }
}

static const struct wf_gossip_peer *peer(const char *kind, size_t i)
{
    struct wf_dh_pub key = key_of(kind, i);

    return wf_gossip_peer_by_key(&gossip, &key);
}

static size_t count_of(const char *domain, bool active)
{
    size_t count = 0;

    for (size_t i = 0; i < gossip.peer_count; i++)
        count += strcmp(gossip.peers[i]->domain.s, domain) == 0 &&
                 (!active || gossip.peers[i]->is_active);
    return count;
}

static void seed_members(size_t count, size_t each)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(members[i].name.s, sizeof members[i].name.s, "d%03zu", i);
        members[i].seeds = seeds[i];
        members[i].seed_count = each;
        for (size_t k = 0; k < each; k++) {
            seeds[i][k].dh_key = key_of(members[i].name.s, k);
            snprintf(seeds[i][k].address, sizeof seeds[i][k].address, "192.0.2.1:7400");
        }
    }
    charter.members = members;
    charter.member_count = count;
    node.charter = &charter;
}

static void setup(void)
{
    core = (struct wf_core){ 0 };
    conf = (struct wf_conf){ .log.level = WF_LOG_ERROR + 1 };
    gossip = (struct wf_gossip_room){ 0 };
    charter = (struct wf_charter){ .version = 1 };
    node = (struct wf_node){ .core = &core, .conf = &conf, .gossip = &gossip };
    node.keys.dh_pub = key_of("own", 0);
    known_count = 0;
    ck_assert_int_eq(wf_gossip_new(NULL, 1, &gossip.machine), WEFT_OK);
}

static void teardown(void)
{
    wf_gossip_peers_free(&node);
    wf_gossip_free(gossip.machine);
}

// ---- cases -----------------------------------------------------------------------------------------------------------

START_TEST(a_domain_of_many_nodes_takes_no_place_from_another)
{
    advertise("a", MANY); // before all others in the catalog
    advertise("network", 3);
    advertise("servers", 2);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(gossip.peer_count, WF_GOSSIP_KNOWN);
    ck_assert_uint_eq(count_of("network", false), 3);
    ck_assert_uint_eq(count_of("servers", false), 2);
}
END_TEST

START_TEST(places_that_nobody_else_wants_are_used)
{
    advertise("a", WF_GOSSIP_KNOWN - 1);
    advertise("network", 1);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(count_of("a", false), WF_GOSSIP_KNOWN - 1);
    ck_assert_uint_eq(count_of("network", false), 1);
}
END_TEST

START_TEST(domains_of_many_nodes_are_cut_alike)
{
    advertise("a", MANY / 2);
    advertise("b", MANY / 2);
    advertise("network", 3);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(count_of("a", false), count_of("b", false));
    ck_assert_uint_ge(count_of("a", false), (WF_GOSSIP_KNOWN - 3) / 2);
    ck_assert_uint_eq(count_of("network", false), 3);
}
END_TEST

START_TEST(who_is_asked_in_rounds_is_of_every_domain)
{
    advertise("a", MANY); // whatever scores it looked for
    advertise("network", 3);
    advertise("servers", 2);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(count_of("network", true), 3);
    ck_assert_uint_eq(count_of("servers", true), 2);
    ck_assert_uint_eq(count_of("a", true), WF_GOSSIP_ACTIVE - OTHERS);
}
END_TEST

START_TEST(a_seed_has_a_place_when_all_others_are_taken)
{
    advertise("a", MANY);
    wf_gossip_peers_refresh(&node);
    seed_members(3, 1); // a charter that came later
    wf_gossip_peers_refresh(&node);
    for (size_t i = 0; i < 3; i++) {
        const struct wf_gossip_peer *p = peer(members[i].name.s, 0);
        ck_assert_ptr_nonnull(p);
        ck_assert(p->is_seed && p->is_active);
    }
}
END_TEST

START_TEST(many_seeds_of_one_member_leave_each_other_member_one)
{
    seed_members(WF_MAX_MEMBERS, WF_MAX_SEEDS);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(gossip.peer_count, WF_GOSSIP_PEERS);
    for (size_t i = 0; i < WF_MAX_MEMBERS; i++)
        ck_assert_ptr_nonnull(peer(members[i].name.s, 0));
}
END_TEST

START_TEST(who_goes_makes_room_at_once)
{
    advertise("a", MANY);
    wf_gossip_peers_refresh(&node);
    known_count = 0;
    advertise("network", WF_GOSSIP_KNOWN);
    wf_gossip_peers_refresh(&node);
    ck_assert_uint_eq(count_of("a", false), 0);
    ck_assert_uint_eq(count_of("network", false), WF_GOSSIP_KNOWN);
    ck_assert_uint_eq(count_of("network", true), WF_GOSSIP_ACTIVE);
}
END_TEST

START_TEST(a_refresh_changes_nobody_who_may_stay)
{
    uint32_t last;

    advertise("a", MANY);
    advertise("network", 3);
    wf_gossip_peers_refresh(&node);
    last = gossip.last_id;
    wf_gossip_peers_refresh(&node);
    ck_assert_msg(gossip.last_id == last, "nobody was made anew, and no link ended");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("peers");
    TCase *c = tcase_create("places");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_domain_of_many_nodes_takes_no_place_from_another);
    tcase_add_test(c, places_that_nobody_else_wants_are_used);
    tcase_add_test(c, domains_of_many_nodes_are_cut_alike);
    tcase_add_test(c, who_is_asked_in_rounds_is_of_every_domain);
    tcase_add_test(c, a_seed_has_a_place_when_all_others_are_taken);
    tcase_add_test(c, many_seeds_of_one_member_leave_each_other_member_one);
    tcase_add_test(c, who_goes_makes_room_at_once);
    tcase_add_test(c, a_refresh_changes_nobody_who_may_stay);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
