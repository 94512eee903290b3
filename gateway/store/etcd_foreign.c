#include "store/etcd_internal.h"
const struct etcd_shape etcd_foreign_shape = {0};
