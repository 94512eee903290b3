# Tests of `make check`. To add a unit test, write tests/unit/test_x.c and add the word to UNIT_TESTS; to add a fuzz
# target, write tests/fuzz/fuzz_x.c, put its corpus into tests/fuzz/corpus/x/ and add the word to FUZZ_TARGETS.

UNIT_TESTS = \
	tests/unit/test_algorithm \
	tests/unit/test_answer \
	tests/unit/test_apply \
	tests/unit/test_arena \
	tests/unit/test_audit \
	tests/unit/test_axfr \
	tests/unit/test_background \
	tests/unit/test_bytes \
	tests/unit/test_change \
	tests/unit/test_change_json \
	tests/unit/test_chains \
	tests/unit/test_check \
	tests/unit/test_clock \
	tests/unit/test_committer \
	tests/unit/test_compose \
	tests/unit/test_config \
	tests/unit/test_cookie \
	tests/unit/test_digest \
	tests/unit/test_dispatch \
	tests/unit/test_dnstap_frame \
	tests/unit/test_draft \
	tests/unit/test_edns \
	tests/unit/test_embedded \
	tests/unit/test_endpoint \
	tests/unit/test_follower \
	tests/unit/test_etcd_layout \
	tests/unit/test_hash \
	tests/unit/test_ixfr \
	tests/unit/test_json_tree \
	tests/unit/test_kafka \
	tests/unit/test_keyring \
	tests/unit/test_kv \
	tests/unit/test_line \
	tests/unit/test_log \
	tests/unit/test_lookup \
	tests/unit/test_master \
	tests/unit/test_memory \
	tests/unit/test_name \
	tests/unit/test_node \
	tests/unit/test_network \
	tests/unit/test_notify \
	tests/unit/test_parse \
	tests/unit/test_policy \
	tests/unit/test_prereq \
	tests/unit/test_present \
	tests/unit/test_queue \
	tests/unit/test_random \
	tests/unit/test_ratelimit \
	tests/unit/test_rcu \
	tests/unit/test_rdata \
	tests/unit/test_reclaim \
	tests/unit/test_retransmit \
	tests/unit/test_rrset \
	tests/unit/test_rrtype \
	tests/unit/test_serial \
	tests/unit/test_stat \
	tests/unit/test_table \
	tests/unit/test_tree \
	tests/unit/test_trouble \
	tests/unit/test_tsig \
	tests/unit/test_update \
	tests/unit/test_version \
	tests/unit/test_wait \
	tests/unit/test_warm \
	tests/unit/test_xdp_frame \
	tests/wire/test_wire

FUZZ_TARGETS = \
	tests/fuzz/fuzz_change_json \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_dispatch \
	tests/fuzz/fuzz_dnstap_frame \
	tests/fuzz/fuzz_etcd \
	tests/fuzz/fuzz_etcd_grpc \
	tests/fuzz/fuzz_fetch \
	tests/fuzz/fuzz_json_tree \
	tests/fuzz/fuzz_keyfile \
	tests/fuzz/fuzz_master \
	tests/fuzz/fuzz_parse \
	tests/fuzz/fuzz_policy \
	tests/fuzz/fuzz_present \
	tests/fuzz/fuzz_tsig \
	tests/fuzz/fuzz_update \
	tests/fuzz/fuzz_xdp_frame

# The suite of all stores, and its helpers.
STORE_SUITE = tests/store/suite.c tests/store/suite.h tests/store/suite_text.c
tests_unit_test_change_json_SOURCES = tests/unit/test_change_json.c tests/store/suite.h tests/store/suite_text.c
tests_unit_test_change_SOURCES = tests/unit/test_change.c tests/store/suite.h tests/store/suite_text.c
tests_unit_test_follower_SOURCES = tests/unit/test_follower.c tests/store/suite.h tests/store/suite_text.c
tests_unit_test_embedded_SOURCES = tests/unit/test_embedded.c $(STORE_SUITE)
tests_unit_test_kafka_SOURCES = tests/unit/test_kafka.c $(STORE_SUITE)
tests_unit_test_memory_SOURCES = tests/unit/test_memory.c $(STORE_SUITE)
tests_unit_test_warm_SOURCES = tests/unit/test_warm.c $(STORE_SUITE)

# replay_change against a model of the rule.
tests_model_replay_driver_SOURCES = tests/model/replay_driver.c tests/store/suite.h tests/store/suite_text.c

# Scripts that read the sources.
STYLE_TESTS = \
	tests/style/includes.py \
	tests/style/prefixes.py \
	tests/style/headers.py \
	tests/style/sizes.py \
	tests/style/habits.py \
	tests/style/pages.py

EXTRA_DIST += $(STYLE_TESTS) tests/style/sources.py tests/unit/policy_vectors.h tests/unit/present_vectors.h tests/unit/tsig_vectors.h tests/unit/update_text.h

# A test program X is made of X.c, by automake's default, and LDADD. With libFuzzer the fuzz programs are built by `make`
# and the unit tests are left to the other builds; without it the fuzz programs get a main that replays their corpus.
if FUZZERS
noinst_PROGRAMS += $(FUZZ_TARGETS)
LDADD = $(ZG_FUZZ_LIBS) $(ZONEGATE_LIBS)
else
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
LDADD = tests/fuzz/libreplay.a $(CMOCKA_LIBS) $(ZONEGATE_LIBS)
if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS) tests/model/replay_driver
TESTS += $(UNIT_TESTS)
else
check-local:
	@echo "make check needs cmocka >= 1.1.5 (Debian: libcmocka-dev); install it and run configure again" >&2; exit 1
endif
endif

if HAVE_PYTHON3
TESTS += $(STYLE_TESTS)
if !FUZZERS
if HAVE_CMOCKA
TESTS += tests/model/replay_model.py
endif
endif
endif

TEST_EXTENSIONS = .py
PY_LOG_COMPILER = $(PYTHON3)
AM_PY_LOG_FLAGS = -B
# The corpus for the replay; sources, compiler and flags for the style scripts.
AM_TESTS_ENVIRONMENT = \
	FUZZ_CORPUS='$(top_srcdir)/tests/fuzz/corpus'; export FUZZ_CORPUS; \
	STYLE_ROOT='$(top_srcdir)'; export STYLE_ROOT; \
	STYLE_CC='$(CC)'; export STYLE_CC; \
	STYLE_CFLAGS='$(AM_CPPFLAGS) $(AM_CFLAGS)'; export STYLE_CFLAGS;
