#!/bin/sh
# A certificate by DNS-01 with lego: the TXT record goes to the gateway.
# The key may do just this: in the zone's update-policy
#   - grant acme. name _acme-challenge.www.example.test. TXT
RFC2136_NAMESERVER=127.0.0.1:5300 \
RFC2136_TSIG_ALGORITHM=hmac-sha256. \
RFC2136_TSIG_KEY=acme. \
RFC2136_TSIG_SECRET=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE= \
exec lego --accept-tos --email admin@example.test --dns rfc2136 --dns.resolvers 127.0.0.1:5300 --domains www.example.test "$@" run
