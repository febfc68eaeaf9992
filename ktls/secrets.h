/* Where a session's traffic keys come from while libssl does its handshake. */
#ifndef FERRULE_KTLS_SECRETS_H
#define FERRULE_KTLS_SECRETS_H

struct ktls_session;

/*
 * The property query with which an SSL_CTX shows its keys, for SSL_CTX_new_ex(3); NULL
 * when this libcrypto cannot be listened to, and libssl then protects the records of
 * its sessions itself. Static. To be called before there are threads.
 */
const char *ktls_secrets_properties(void);

/*
 * From here on what libssl derives in this thread is this session's: its sides get
 * their secrets (TLS 1.3) or keys (TLS 1.2), and `secrets` the bits of those that have
 * come. NULL: nobody's.
 */
void ktls_secrets_listen(struct ktls_session *session);

#endif
