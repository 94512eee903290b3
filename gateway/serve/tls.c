#include "serve/tls.h"
#include "base/digest.h"
#include "base/endpoint.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICKET_KEYS_SIZE 80     /* name, MAC key, cipher key, as libssl keeps them */
#define SESSION_S 7200
#define SEND_SIZE 16384         /* a record (RFC 8446 5.1) */

struct tls {
	SSL_CTX *context;
	atomic_uint holders;
	uint8_t trust[DIGEST_SHA256_SIZE]; /* of the client CAs; zeros: none */
	bool asks, requires;               /* for client certificates */
};

struct tls_connection {
	SSL *ssl;
	struct serve_counters *counters;
	bool counted;           /* the handshake */
	bool again;
	uint8_t *names;         /* of the client's certificate */
	size_t names_size;
};

/* ---- certificate and key ---- */

static enum status
wrong(const char *file, const char *text, char *reason)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(code);

	snprintf(reason, TLS_REASON_SIZE, "%.500s: %s%s%s%s", file, text, why != NULL ? " (" : "",
		 why != NULL ? why : "", why != NULL ? ")" : "");
	ERR_clear_error();
	return STATUS_INVALID;
}

/* libssl's words for a file that is not there are less plain. */
static enum status
check_readable(const char *file, char *reason)
{
	char byte;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, &byte, 1);

	if (size < 0)
		snprintf(reason, TLS_REASON_SIZE, "%.500s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	return size < 0 ? STATUS_IO : STATUS_OK;
}

/* A key with a pass phrase: nobody is there to be asked. */
static int
no_pass_phrase(char *out, int size, int writing, void *context)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)context = true;
	return -1;
}

static enum status
load_files(SSL_CTX *context, const char *certificate, const char *key, char *reason)
{
	bool locked = false;

	enum status status = check_readable(certificate, reason);
	if (status == STATUS_OK)
		status = check_readable(key, reason);
	if (status != STATUS_OK)
		return status;
	SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(context, &locked);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return wrong(certificate, "no certificate in PEM form that can be used", reason);
	bool good = SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1;
	SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
	bool mismatch = good ? SSL_CTX_check_private_key(context) != 1
			     : ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
	if (locked || mismatch)
		ERR_clear_error(); /* these words are plainer */
	if (locked)
		return wrong(key, "the key has a pass phrase: write it without one", reason);
	if (mismatch)
		return wrong(key, "not the key of the certificate", reason);
	if (!good)
		return wrong(key, "no key in PEM form that can be used", reason);
	return STATUS_OK;
}

/* The whole of a small file, for its digest. */
static enum status
digest_file(const char *file, uint8_t out[DIGEST_SHA256_SIZE], char *reason)
{
	struct digest *digest = digest_new();
	char bytes[4096];
	ssize_t size = -1;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (digest == NULL)
		abort();
	while (fd >= 0 && (size = read(fd, bytes, sizeof bytes)) > 0)
		digest_update(digest, bytes, (size_t)size);
	if (size < 0)
		snprintf(reason, TLS_REASON_SIZE, "%.500s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	digest_finish(digest, out);
	return size < 0 ? STATUS_IO : STATUS_OK;
}

/* Clients are asked for a certificate of one of these, and told which these are (RFC 8446 4.2.4). */
static enum status
load_client_ca(struct tls *tls, const struct tls_files *files, char *reason)
{
	int mode = SSL_VERIFY_PEER | (files->client_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);

	if (files->client_ca == NULL)
		return STATUS_OK;
	enum status status = digest_file(files->client_ca, tls->trust, reason);
	if (status != STATUS_OK)
		return status;
	ERR_clear_error();
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files->client_ca);
	if (names == NULL || SSL_CTX_load_verify_file(tls->context, files->client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return wrong(files->client_ca, "no certificates in PEM form that can be used", reason);
	}
	SSL_CTX_set_client_CA_list(tls->context, names); /* given */
	SSL_CTX_set_verify(tls->context, mode, NULL);
	tls->asks = true;
	tls->requires = files->client_required;
	return STATUS_OK;
}

/* RFC 7301 3.2: of what the client speaks we know "dot" (RFC 7858, RFC 9103 7.1); who names nothing gets it too. */
static int
select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
		unsigned in_size, void *argument)
{
	(void)ssl;
	(void)argument;
	for (unsigned at = 0; at < in_size; at += 1u + in[at])
		if (in[at] == 3 && in_size - at > 3 && memcmp(in + at + 1, "dot", 3) == 0) {
			*out = in + at + 1;
			*out_size = 3;
			return SSL_TLSEXT_ERR_OK;
		}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *
context_new(void)
{
	static const unsigned char session_context[] = "zonegate";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL)
		return NULL;
	/* RFC 9103 8.1 wants 1.3. An abrupt end is an end: each message says its length. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1); /* one system call for many records */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(context, SESSION_S);
	SSL_CTX_set_num_tickets(context, 1); /* a new one comes with each resumption */
	SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
	if (SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1) != 1) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

enum status
tls_new(const struct tls_files *files, struct tls **tls, char *reason)
{
	struct tls *made = calloc(1, sizeof *made);

	if (made != NULL)
		made->context = context_new();
	if (made == NULL || made->context == NULL) {
		free(made);
		return wrong("TLS", "libssl cannot be used", reason);
	}
	atomic_init(&made->holders, 1);
	enum status status = load_files(made->context, files->certificate, files->key, reason);
	if (status == STATUS_OK)
		status = load_client_ca(made, files, reason);
	if (status == STATUS_OK)
		*tls = made;
	else
		tls_free(made);
	return status;
}

struct tls *
tls_hold(struct tls *tls)
{
	if (tls != NULL)
		atomic_fetch_add(&tls->holders, 1);
	return tls;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL || atomic_fetch_sub(&tls->holders, 1) > 1)
		return;
	SSL_CTX_free(tls->context);
	free(tls);
}

void
tls_inherit(struct tls *tls, const struct tls *old)
{
	unsigned char keys[TICKET_KEYS_SIZE];

	/* A session keeps the client's certificate: what is not trusted any more must be shown again. */
	if (tls->asks != old->asks || tls->requires != old->requires ||
	    memcmp(tls->trust, old->trust, sizeof tls->trust) != 0)
		return;
	if (SSL_CTX_get_tlsext_ticket_keys(old->context, keys, sizeof keys) == 1)
		SSL_CTX_set_tlsext_ticket_keys(tls->context, keys, sizeof keys);
	OPENSSL_cleanse(keys, sizeof keys);
}

/* ---- a connection ---- */

static bool
tls_open(const struct dispatch *dispatch, int fd, void **state)
{
	const struct serve_settings *settings = atomic_load_explicit(&dispatch->serve->settings, memory_order_acquire);
	struct tls_connection *connection = settings->tls != NULL ? calloc(1, sizeof *connection) : NULL;

	if (connection == NULL)
		return false;
	connection->counters = dispatch->counters;
	connection->ssl = SSL_new(settings->tls->context);
	if (connection->ssl == NULL || SSL_set_fd(connection->ssl, fd) != 1) {
		SSL_free(connection->ssl);
		free(connection);
		ERR_clear_error();
		return false;
	}
	SSL_set_accept_state(connection->ssl);
	*state = connection;
	return true;
}

/* ---- the client's certificate ---- */

/* A host name as it stands in certificates; wildcards and what else there may be are nobody's name. */
static size_t
take_name(const ASN1_STRING *string, uint8_t *out, size_t room)
{
	static const uint8_t root[1] = {0};
	const char *text = (const char *)ASN1_STRING_get0_data(string);
	size_t length = (size_t)ASN1_STRING_length(string);
	uint8_t name[NAME_MAX_SIZE];

	for (size_t i = 0; i < length; i++)
		if (memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", text[i], 65) == NULL)
			return 0;
	if (length == 0 || name_from_text(text, length, root, name) != STATUS_OK)
		return 0;
	size_t size = name_lower(name, name);
	if (size > room || size == 1)
		return 0;
	memcpy(out, name, size);
	return size;
}

/* RFC 6125 6.4.4: the subject's CN speaks only where there is no dNSName. */
static size_t
take_names(X509 *certificate, uint8_t *out)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	size_t size = 0;
	bool has_names = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_DNS)
			continue;
		has_names = true;
		size += take_name(name->d.dNSName, out + size, TLS_NAMES_SIZE - size);
	}
	GENERAL_NAMES_free(names);
	int at = has_names ? -1 : X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at >= 0)
		size = take_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out, TLS_NAMES_SIZE);
	return size;
}

/* The handshake has verified it, but a session that is resumed may be older than the certificate's end. */
static void
read_certificate(struct tls_connection *connection)
{
	X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
	uint8_t names[TLS_NAMES_SIZE];

	if (certificate == NULL || SSL_get_verify_result(connection->ssl) != X509_V_OK ||
	    X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		return;
	size_t size = take_names(certificate, names);
	connection->names = size > 0 ? malloc(size) : NULL;
	if (connection->names == NULL)
		return;
	memcpy(connection->names, names, size);
	connection->names_size = size;
}

/* A client that shows what we do not trust: its operator looks for this line. */
static void
log_refused(const struct tls_connection *connection)
{
	struct sockaddr_storage remote;
	socklen_t size = sizeof remote;
	char text[ENDPOINT_TEXT_SIZE];
	long verdict = SSL_get_verify_result(connection->ssl);
	bool missing = verdict == X509_V_OK &&
		       ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;

	if ((verdict == X509_V_OK && !missing) ||
	    getpeername(SSL_get_fd(connection->ssl), (struct sockaddr *)&remote, &size) != 0)
		return;
	log_limited(LOG_LEVEL_WARNING, "client_certificate", "client=%s reason=\"%s\"",
		    endpoint_text((const struct sockaddr *)&remote, text),
		    missing ? "no certificate" : X509_verify_cert_error_string(verdict));
}

static void
tls_identify(void *state, struct peer *peer)
{
	const struct tls_connection *connection = state;

	peer->names = connection->names;
	peer->names_size = connection->names_size;
}

static void
count_handshake(struct tls_connection *connection)
{
	if (connection->counted || !SSL_is_init_finished(connection->ssl))
		return;
	connection->counted = true;
	read_certificate(connection);
	stat_add(SSL_session_reused(connection->ssl) ? &connection->counters->tls_resumed
						     : &connection->counters->tls_full,
		 1);
}

/* What SSL_read and SSL_write said, as recv and send would: 0 end, -1 and errno. */
static ssize_t
failed(struct tls_connection *connection, int result)
{
	int error = SSL_get_error(connection->ssl, result), saved = errno;

	if (error == SSL_ERROR_SSL && !connection->counted)
		log_refused(connection);
	ERR_clear_error();
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	if (!connection->counted) {
		connection->counted = true;
		stat_add(&connection->counters->tls_failed, 1);
	}
	SSL_set_quiet_shutdown(connection->ssl, 1); /* after an error nothing more may be sent (RFC 8446 6.2) */
	errno = error == SSL_ERROR_SYSCALL && saved != 0 && saved != EAGAIN && saved != EINTR ? saved : EPROTO;
	return -1;
}

/* All records that have come, as far as there is room: their requests are answered together. */
static ssize_t
tls_receive(int fd, void *state, void *bytes, size_t room)
{
	struct tls_connection *connection = state;
	size_t got = 0;

	(void)fd;
	connection->again = false;
	ERR_clear_error();
	do {
		int size = SSL_read(connection->ssl, (uint8_t *)bytes + got, (int)(room - got));
		if (size <= 0 && got > 0) {
			/* What it was comes again with the next call, for which epoll may see no reason. */
			connection->again = SSL_get_error(connection->ssl, size) != SSL_ERROR_WANT_READ;
			break;
		}
		if (size <= 0) {
			connection->again = SSL_want_write(connection->ssl) != 0;
			ssize_t result = failed(connection, size);
			count_handshake(connection);
			return result;
		}
		got += (size_t)size;
	} while (got < room && SSL_has_pending(connection->ssl));
	connection->again = connection->again || (got == room && SSL_has_pending(connection->ssl));
	count_handshake(connection);
	return (ssize_t)got;
}

static ssize_t
tls_send(int fd, void *state, const void *bytes, size_t size)
{
	struct tls_connection *connection = state;
	size_t sent = 0;

	(void)fd;
	ERR_clear_error();
	while (sent < size) {
		size_t step = size - sent < SEND_SIZE ? size - sent : SEND_SIZE;
		int result = SSL_write(connection->ssl, (const uint8_t *)bytes + sent, (int)step);
		if (result <= 0) {
			if (sent == 0)
				return failed(connection, result);
			ERR_clear_error();
			break;
		}
		sent += (size_t)result;
	}
	return (ssize_t)sent;
}

static bool
tls_again(void *state)
{
	return ((struct tls_connection *)state)->again;
}

static void
tls_close(void *state)
{
	struct tls_connection *connection = state;

	if (SSL_is_init_finished(connection->ssl)) {
		SSL_shutdown(connection->ssl); /* close_notify; nobody waits for the client's */
		ERR_clear_error();
	} else if (!connection->counted) {
		stat_add(&connection->counters->tls_failed, 1);
	}
	SSL_free(connection->ssl);
	free(connection->names);
	free(connection);
}

const struct tcp_layer tcp_tls = {
	.transport = TRANSPORT_TLS,
	.open = tls_open,
	.receive = tls_receive,
	.send = tls_send,
	.identify = tls_identify,
	.again = tls_again,
	.close = tls_close,
};
