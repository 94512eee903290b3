# Sources of keys/: TSIG, the keyring, update policy.
libzonegate_a_SOURCES +=
