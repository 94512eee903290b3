/* Answers of etcd's gRPC: the first octet chooses the call; what is read as key and value is read like a store does. */
#include "store/etcd_grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const paths[] = {"/v3/kv/range", "/v3/kv/put",      "/v3/kv/deleterange",
					    "/v3/kv/txn",   "/v3/lease/grant", "/v3/lease/timetolive"};

	if (size == 0)
		return 0;
	const struct etcd_grpc_call *call = etcd_grpc_find(paths[bytes[0] % ARRAY_SIZE(paths)]);
	json_t *answer = etcd_grpc_decode(call, (const char *)bytes + 1, size - 1);
	const json_t *kvs = json_object_get(answer, "kvs");
	for (size_t i = 0; i < json_array_size(kvs); i++) {
		struct etcd_kv kv;
		if (etcd_client_kv(json_array_get(kvs, i), &kv))
			etcd_kv_free(&kv);
	}
	json_decref(answer);
	struct etcd_text out = {0};
	if (etcd_grpc_encode(call, (const char *)bytes + 1, size - 1, &out))
		invariant(out.size >= 5);
	etcd_text_free(&out);
	return 0;
}
