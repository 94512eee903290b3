#include "serve/tls_client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_client {
	SSL_CTX *context;
	SSL *ssl;
};

static enum status
fail(char *reason, const char *text)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(reason, TLS_CLIENT_REASON_SIZE, "%s%s%s%s", text, why ? " (" : "", why ? why : "", why ? ")" : "");
	ERR_clear_error();
	return STATUS_INVALID;
}

/* All certificates of the text; false: there is none. */
static bool
add_certificates(X509_STORE *store, const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *certificate;
	bool found = false;

	while (in && (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		found = X509_STORE_add_cert(store, certificate) == 1 || found;
		X509_free(certificate);
	}
	BIO_free(in);
	ERR_clear_error();
	return found;
}

/* RFC 8310 8.1: the name that was given, else the address. */
static bool
expect_name(SSL *ssl, const char *hostname, const struct sockaddr *address)
{
	char text[INET6_ADDRSTRLEN];
	const void *octets = address->sa_family == AF_INET
	                             ? (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr
	                             : (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

	if (hostname)
		return SSL_set1_host(ssl, hostname) == 1 && SSL_set_tlsext_host_name(ssl, hostname) == 1;
	return inet_ntop(address->sa_family, octets, text, sizeof text) &&
	       X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), text) == 1;
}

static enum status
prepare(struct tls_client *client, int fd, const char *ca, const char *hostname, const struct sockaddr *address,
	char *reason)
{
	static const unsigned char protocols[] = "\3dot";

	client->context = SSL_CTX_new(TLS_client_method());
	if (!client->context || SSL_CTX_set_min_proto_version(client->context, TLS1_3_VERSION) != 1)
		return fail(reason, "libssl cannot be used");
	SSL_CTX_set_options(client->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (ca && !add_certificates(SSL_CTX_get_cert_store(client->context), ca))
		return fail(reason, "tls-ca: there is no certificate in PEM form");
	client->ssl = SSL_new(client->context);
	if (!client->ssl || SSL_set_fd(client->ssl, fd) != 1 ||
	    SSL_set_alpn_protos(client->ssl, protocols, sizeof protocols - 1) != 0)
		return fail(reason, "libssl cannot be used");
	SSL_set_verify(client->ssl, ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (ca && !expect_name(client->ssl, hostname, address))
		return fail(reason, "tls-hostname: not a host name");
	SSL_set_connect_state(client->ssl);
	return STATUS_OK;
}

enum status
tls_client_new(int fd, const char *ca, const char *hostname, const struct sockaddr *address, struct tls_client **out,
               char *reason)
{
	struct tls_client *client = calloc(1, sizeof *client);
	enum status status = client ? prepare(client, fd, ca, hostname, address, reason) : STATUS_NO_MEMORY;

	if (status == STATUS_OK)
		*out = client;
	else
		tls_client_free(client);
	return status;
}

static enum tls_client_need
need_of(const struct tls_client *client, int result)
{
	int error = SSL_get_error(client->ssl, result);

	return error == SSL_ERROR_WANT_READ    ? TLS_CLIENT_READ
	       : error == SSL_ERROR_WANT_WRITE ? TLS_CLIENT_WRITE
					       : TLS_CLIENT_FAILED;
}

enum tls_client_need
tls_client_handshake(struct tls_client *client, char *reason)
{
	ERR_clear_error();
	int result = SSL_do_handshake(client->ssl);
	if (result == 1)
		return TLS_CLIENT_NOTHING;
	enum tls_client_need need = need_of(client, result);
	if (need != TLS_CLIENT_FAILED)
		return need;
	long verdict = SSL_get_verify_result(client->ssl);
	if (verdict != X509_V_OK && SSL_get_verify_mode(client->ssl) != SSL_VERIFY_NONE)
		snprintf(reason, TLS_CLIENT_REASON_SIZE, "TLS: the server's certificate is not good: %s",
		         X509_verify_cert_error_string(verdict));
	else
		fail(reason, "TLS: no handshake; does the server speak TLS on this port");
	ERR_clear_error();
	return TLS_CLIENT_FAILED;
}

/* As recv and send would say it. */
static ssize_t
outcome(struct tls_client *client, int result, enum tls_client_need *need)
{
	int saved = errno;

	*need = TLS_CLIENT_NOTHING;
	if (result > 0)
		return result;
	if (SSL_get_error(client->ssl, result) == SSL_ERROR_ZERO_RETURN)
		return 0;
	*need = need_of(client, result);
	errno = *need != TLS_CLIENT_FAILED ? EAGAIN : saved != 0 && saved != EAGAIN && saved != EINTR ? saved : EPROTO;
	ERR_clear_error();
	return -1;
}

static int
limited(size_t size)
{
	return size < INT32_MAX ? (int)size : INT32_MAX;
}

ssize_t
tls_client_receive(struct tls_client *client, void *bytes, size_t size, enum tls_client_need *need)
{
	ERR_clear_error();
	errno = 0;
	return outcome(client, SSL_read(client->ssl, bytes, limited(size)), need);
}

ssize_t
tls_client_send(struct tls_client *client, const void *bytes, size_t size, enum tls_client_need *need)
{
	ERR_clear_error();
	errno = 0;
	return outcome(client, SSL_write(client->ssl, bytes, limited(size)), need);
}

void
tls_client_free(struct tls_client *client)
{
	if (!client)
		return;
	if (client->ssl && SSL_is_init_finished(client->ssl))
		SSL_shutdown(client->ssl);
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	ERR_clear_error();
	free(client);
}
