# Sources of keys/: TSIG, the keyring, update policy.
libzonegate_a_SOURCES += \
	keys/acl.c \
	keys/address.c keys/address.h \
	keys/algorithm.c keys/algorithm.h \
	keys/keyfile.c keys/keyfile.h \
	keys/keyring.c keys/keyring.h \
	keys/policy.c keys/policy.h \
	keys/tsig.c keys/tsig.h
