#include "serve/xdp_interface.h"
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- addresses ---- */

/* False: frames from a wire do not have it as their target. */
static bool
make_key(const struct sockaddr *address, uint16_t port, struct xdp_filter_key *key)
{
	*key = (struct xdp_filter_key){.port = port};
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
		memset(key->address.s6_addr + 10, 0xff, 2);
		memcpy(key->address.s6_addr + 12, &in->sin_addr, sizeof in->sin_addr);
		return key->address.s6_addr[12] != 127;
	}
	if (address->sa_family != AF_INET6)
		return false;
	key->address = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	return !IN6_IS_ADDR_LOOPBACK(&key->address);
}

/* The first that has it serves it: explicit addresses come before wildcards. */
static void
add_own(struct xdp_facts *facts, const struct sockaddr *address, uint16_t port, size_t socket, bool wildcard)
{
	struct xdp_own own = {.socket = (unsigned)socket, .wildcard = wildcard};

	if (!make_key(address, port, &own.key))
		return;
	for (size_t i = 0; i < facts->own_count; i++)
		if (memcmp(&facts->own[i].key, &own.key, sizeof own.key) == 0)
			return;
	facts->own[facts->own_count++] = own;
}

/* A link-local address is one interface's. */
static bool
is_elsewhere(const struct sockaddr *address, unsigned interface)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

	return address->sa_family == AF_INET6 && in6->sin6_scope_id != 0 && in6->sin6_scope_id != interface;
}

static const struct sockaddr *
listened(const struct listener_sockets *listeners, size_t i)
{
	return (const struct sockaddr *)&listeners->addresses[i].address;
}

/* Both families have it at the same place. */
static uint16_t
port_of(const struct sockaddr *address)
{
	return ((const struct sockaddr_in *)(const void *)address)->sin_port;
}

/* What the wildcards of `listen` are on this interface. */
static void
add_wildcards(const char *name, const struct listener_sockets *listeners, const struct ifaddrs *all,
	      struct xdp_facts *facts)
{
	for (size_t i = 0; i < listeners->count; i++) {
		const struct sockaddr *address = listened(listeners, i);
		for (const struct ifaddrs *one = all; one != NULL && listeners->wildcard[i]; one = one->ifa_next)
			if (one->ifa_addr != NULL && one->ifa_addr->sa_family == address->sa_family &&
			    strcmp(one->ifa_name, name) == 0)
				add_own(facts, one->ifa_addr, port_of(address), i, true);
	}
}

static enum status
find_own(const char *name, const struct listener_sockets *listeners, struct xdp_facts *facts, char *reason)
{
	struct ifaddrs *all = NULL;
	size_t most = 1, wildcards = 0;

	for (size_t i = 0; i < listeners->count; i++)
		wildcards += listeners->wildcard[i];
	if (wildcards > 0 && getifaddrs(&all) != 0) /* by AF_NETLINK, which a sandbox may forbid */
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "its addresses: %s", strerror(errno));
	for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next)
		most++;
	facts->own = calloc(most * (listeners->count + 1), sizeof *facts->own);
	for (size_t i = 0; i < listeners->count && facts->own != NULL; i++)
		if (!listeners->wildcard[i] && !is_elsewhere(listened(listeners, i), facts->index))
			add_own(facts, listened(listeners, i), port_of(listened(listeners, i)), i, false);
	if (facts->own != NULL)
		add_wildcards(name, listeners, all, facts);
	freeifaddrs(all);
	return facts->own != NULL ? STATUS_OK
				  : status_say(reason, LISTENER_REASON_SIZE, STATUS_NO_MEMORY, "out of memory");
}

/* ---- the interface ---- */

static unsigned
count_queues(int fd, struct ifreq *request)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	request->ifr_data = (char *)&channels;
	/* Drivers that cannot say have one. */
	if (ioctl(fd, SIOCETHTOOL, request) != 0 || channels.combined_count + channels.rx_count == 0)
		return 1;
	return channels.combined_count + channels.rx_count;
}

static enum status
ask(int fd, const char *name, struct xdp_facts *facts, char *reason)
{
	struct ifreq request = {.ifr_name = ""};

	if (strlen(name) >= sizeof request.ifr_name)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_INVALID, "no name of an interface");
	memcpy(request.ifr_name, name, strlen(name) + 1);
	facts->index = if_nametoindex(name);
	if (facts->index == 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "%s", strerror(errno));
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_INVALID, "not an Ethernet interface");
	memcpy(facts->mac, request.ifr_hwaddr.sa_data, sizeof facts->mac);
	if (ioctl(fd, SIOCGIFMTU, &request) != 0)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "%s", strerror(errno));
	facts->mtu = (unsigned)request.ifr_mtu;
	facts->queues = count_queues(fd, &request);
	return STATUS_OK;
}

enum status
xdp_interface_read(const char *name, const struct listener_sockets *listeners, struct xdp_facts *facts, char *reason)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*facts = (struct xdp_facts){.index = 0};
	if (fd < 0)
		return status_say(reason, LISTENER_REASON_SIZE, STATUS_IO, "%s", strerror(errno));
	enum status status = ask(fd, name, facts, reason);
	close(fd);
	return status == STATUS_OK ? find_own(name, listeners, facts, reason) : status;
}

void
xdp_interface_free(struct xdp_facts *facts)
{
	free(facts->own);
	facts->own = NULL;
	facts->own_count = 0;
}
