# Sources of the gateway, a block for each folder, sorted; headers are listed too, so that they are distributed.

libzonegate_a_SOURCES += \
	gateway/base/arena.c gateway/base/arena.h \
	gateway/base/background.c gateway/base/background.h \
	gateway/base/bytes.c gateway/base/bytes.h \
	gateway/base/chains.c gateway/base/chains.h \
	gateway/base/clock.c gateway/base/clock.h \
	gateway/base/digest.c gateway/base/digest.h \
	gateway/base/endpoint.c gateway/base/endpoint.h \
	gateway/base/hash.c gateway/base/hash.h \
	gateway/base/json_tree.c gateway/base/json_tree.h \
	gateway/base/log.c gateway/base/log.h \
	gateway/base/network.c gateway/base/network.h \
	gateway/base/must.h \
	gateway/base/queue.c gateway/base/queue.h \
	gateway/base/quota.c gateway/base/quota.h \
	gateway/base/random.c gateway/base/random.h \
	gateway/base/rcu.h \
	gateway/base/stat.c gateway/base/stat.h \
	gateway/base/status.c gateway/base/status.h \
	gateway/base/wait.c gateway/base/wait.h

# gateway/wire/
libzonegate_a_SOURCES += \
	gateway/wire/compose.c gateway/wire/compose.h \
	gateway/wire/edns.c gateway/wire/edns.h \
	gateway/wire/fold.h \
	gateway/wire/message.c gateway/wire/message.h \
	gateway/wire/name.c gateway/wire/name.h \
	gateway/wire/parse.c gateway/wire/parse.h \
	gateway/wire/present.c gateway/wire/present.h \
	gateway/wire/present_field.c gateway/wire/present_field.h \
	gateway/wire/present_print.c \
	gateway/wire/present_svcb.c \
	gateway/wire/rdata.c gateway/wire/rdata.h \
	gateway/wire/rrtype.c gateway/wire/rrtype.h \
	gateway/wire/svcb.c gateway/wire/svcb.h

# gateway/zone/
libzonegate_a_SOURCES += \
	gateway/zone/change.c gateway/zone/change.h \
	gateway/zone/change_json.c gateway/zone/change_json.h \
	gateway/zone/change_json_write.c \
	gateway/zone/check.c gateway/zone/check.h \
	gateway/zone/draft.c gateway/zone/draft.h \
	gateway/zone/lookup.c gateway/zone/lookup.h \
	gateway/zone/master.c gateway/zone/master.h \
	gateway/zone/master_parse.c gateway/zone/master_parse.h \
	gateway/zone/master_write.c \
	gateway/zone/node.c gateway/zone/node.h \
	gateway/zone/reclaim.c gateway/zone/reclaim.h \
	gateway/zone/replay.c gateway/zone/replay.h \
	gateway/zone/rrset.c gateway/zone/rrset.h \
	gateway/zone/serial.c gateway/zone/serial.h \
	gateway/zone/table.c gateway/zone/table.h \
	gateway/zone/tree.c gateway/zone/tree.h \
	gateway/zone/version.c gateway/zone/version.h gateway/zone/zonemd.c gateway/zone/zonemd.h

# gateway/store/
libzonegate_a_SOURCES += \
	gateway/store/embedded.c gateway/store/embedded.h \
	gateway/store/embedded_content.c \
	gateway/store/embedded_data.c gateway/store/embedded_data.h \
	gateway/store/embedded_keep.c \
	gateway/store/embedded_mirror.c \
	gateway/store/etcd.c gateway/store/etcd.h \
	gateway/store/etcd_client.c gateway/store/etcd_client.h \
	gateway/store/etcd_foreign.c \
	gateway/store/etcd_foreign_list.c \
	gateway/store/etcd_grpc.c gateway/store/etcd_grpc.h \
	gateway/store/etcd_history.c \
	gateway/store/etcd_internal.h \
	gateway/store/etcd_layout.c gateway/store/etcd_layout.h \
	gateway/store/etcd_layout_helix.c \
	gateway/store/etcd_layout_json.c gateway/store/etcd_layout_json.h \
	gateway/store/etcd_layout_skydns.c \
	gateway/store/etcd_mirror.c gateway/store/etcd_mirror.h \
	gateway/store/etcd_names.c \
	gateway/store/etcd_native.c gateway/store/etcd_native.h \
	gateway/store/etcd_native_keys.c \
	gateway/store/etcd_native_list.c \
	gateway/store/etcd_notes.c \
	gateway/store/etcd_records.c gateway/store/etcd_records.h \
	gateway/store/etcd_settings.c \
	gateway/store/etcd_skydns.c \
	gateway/store/etcd_v2.c \
	gateway/store/etcd_watch.c \
	gateway/store/etcd_warm.c gateway/store/etcd_warm.h \
	gateway/store/etcd_writes.c \
	gateway/store/follower.c gateway/store/follower.h gateway/store/follower_internal.h \
	gateway/store/follower_events.c \
	gateway/store/follower_replay.c gateway/store/follower_zones.c \
	gateway/store/http.c gateway/store/http.h \
	gateway/store/intake.c gateway/store/intake.h \
	gateway/store/kafka.c gateway/store/kafka.h \
	gateway/store/kafka_barrier.c \
	gateway/store/kafka_client.c \
	gateway/store/kafka_describe.c \
	gateway/store/kafka_fetch.c \
	gateway/store/kafka_flight.c \
	gateway/store/kafka_internal.h \
	gateway/store/kafka_poll.c \
	gateway/store/kafka_probe.c \
	gateway/store/kafka_reader.c \
	gateway/store/kafka_retention.c \
	gateway/store/kafka_snapshot.c \
	gateway/store/kafka_worker.c \
	gateway/store/kafka_write.c \
	gateway/store/kv.c gateway/store/kv.h \
	gateway/store/memory.c gateway/store/memory.h \
	gateway/store/store.h \
	gateway/store/trouble.c gateway/store/trouble.h \
	gateway/store/warm.c gateway/store/warm.h

# gateway/answer/
libzonegate_a_SOURCES += \
	gateway/answer/additional.c gateway/answer/additional.h \
	gateway/answer/answer.c gateway/answer/answer.h \
	gateway/answer/chain.c gateway/answer/chain.h \
	gateway/answer/meta.c gateway/answer/meta.h \
	gateway/answer/negative.c gateway/answer/negative.h \
	gateway/answer/referral.c gateway/answer/referral.h \
	gateway/answer/state.h

# gateway/update/
libzonegate_a_SOURCES += \
	gateway/update/apply.c gateway/update/apply.h \
	gateway/update/audit.c gateway/update/audit.h \
	gateway/update/committer.c gateway/update/committer.h \
	gateway/update/form.c gateway/update/form.h \
	gateway/update/job.h \
	gateway/update/line.c gateway/update/line.h \
	gateway/update/overlay.c gateway/update/overlay.h \
	gateway/update/permit.c gateway/update/permit.h \
	gateway/update/prereq.c gateway/update/prereq.h \
	gateway/update/requestor.c gateway/update/requestor.h \
	gateway/update/retransmit.c gateway/update/retransmit.h \
	gateway/update/tags.c gateway/update/tags.h \
	gateway/update/update.c gateway/update/update.h \
	gateway/update/work.c gateway/update/work.h

# gateway/transfer/
libzonegate_a_SOURCES += \
	gateway/transfer/axfr.c gateway/transfer/axfr.h \
	gateway/transfer/digests.c gateway/transfer/digests.h \
	gateway/transfer/fetch.c gateway/transfer/fetch.h \
	gateway/transfer/ixfr.c gateway/transfer/ixfr.h \
	gateway/transfer/ixfr_history.c \
	gateway/transfer/ixfr_zone.h \
	gateway/transfer/notify.c gateway/transfer/notify.h \
	gateway/transfer/notify_sockets.c gateway/transfer/notify_sockets.h \
	gateway/transfer/record.h \
	gateway/transfer/sequence.c gateway/transfer/sequence.h \
	gateway/transfer/stream.c gateway/transfer/stream.h

# gateway/serve/
libzonegate_a_SOURCES += \
	gateway/serve/cookie.c gateway/serve/cookie.h \
	gateway/serve/dial.c gateway/serve/dial.h \
	gateway/serve/dispatch.c gateway/serve/dispatch.h \
	gateway/serve/dnstap.c gateway/serve/dnstap.h \
	gateway/serve/dnstap_frame.c gateway/serve/dnstap_frame.h \
	gateway/serve/listener.c gateway/serve/listener.h \
	gateway/serve/ratelimit.c gateway/serve/ratelimit.h \
	gateway/serve/request.h \
	gateway/serve/source.h \
	gateway/serve/tcp.c gateway/serve/tcp.h \
	gateway/serve/tls.c gateway/serve/tls.h \
	gateway/serve/tls_client.c gateway/serve/tls_client.h \
	gateway/serve/udp.c gateway/serve/udp.h \
	gateway/serve/worker.c gateway/serve/worker.h \
	gateway/serve/xdp.h \
	gateway/serve/xdp_filter.h \
	gateway/serve/xdp_frame.c gateway/serve/xdp_frame.h \
	gateway/serve/xdp_interface.h \
	gateway/serve/xdp_socket.h

# configure --enable-xdp
if XDP
libzonegate_a_SOURCES += \
	gateway/serve/xdp.c \
	gateway/serve/xdp_filter.c \
	gateway/serve/xdp_interface.c \
	gateway/serve/xdp_socket.c
else
libzonegate_a_SOURCES += gateway/serve/xdp_none.c
endif

# gateway/control/
libzonegate_a_SOURCES += \
	gateway/control/call.c gateway/control/call.h \
	gateway/control/client.c gateway/control/client.h \
	gateway/control/commands.c gateway/control/commands.h \
	gateway/control/config.c gateway/control/config.h \
	gateway/control/config_read.c gateway/control/config_read.h \
	gateway/control/config_schema.c gateway/control/config_schema.h \
	gateway/control/config_yaml.c \
	gateway/control/config_rules.c gateway/control/config_rules.h \
	gateway/control/config_zone.c gateway/control/config_zone.h \
	gateway/control/control.c gateway/control/control.h \
	gateway/control/added.c gateway/control/added.h \
	gateway/control/catalog.c gateway/control/catalog.h gateway/control/catalog_internal.h \
	gateway/control/catalog_consume.c gateway/control/catalog_produce.c \
	gateway/control/gateway.c gateway/control/gateway.h \
	gateway/control/history.c gateway/control/history.h \
	gateway/control/http.c gateway/control/http.h \
	gateway/control/import.c gateway/control/import.h \
	gateway/control/jobs.c gateway/control/jobs.h \
	gateway/control/libraries.c gateway/control/libraries.h \
	gateway/control/loader.c gateway/control/loader.h \
	gateway/control/metrics.c gateway/control/metrics.h \
	gateway/control/reload.c gateway/control/reload.h \
	gateway/control/settings.c gateway/control/settings.h \
	gateway/control/socket.c gateway/control/socket.h \
	gateway/control/store_types.c gateway/control/store_types.h

# The programs, in the top of the build tree.

sbin_PROGRAMS += zonegated
zonegated_SOURCES = gateway/zonegated.c
zonegated_LDADD = $(ZONEGATE_LIBS)

bin_PROGRAMS += zonegatectl
zonegatectl_SOURCES = gateway/zonegatectl.c
zonegatectl_LDADD = $(ZONEGATE_LIBS)

dist_man_MANS += contrib/man/zonegated.8 contrib/man/zonegatectl.8 contrib/man/zonegate.yaml.5
