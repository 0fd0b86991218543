// SPDX-License-Identifier: MIT
// What an agent and its successor say to each other, over a unix socket in the state directory that
// their user alone reaches: datagrams in order (SOCK_SEQPACKET, unix(7)), each a kind, some bytes and
// descriptors. Both show that they can read the root key: BLAKE2b-256 under a key derived from it, over
// both sides' random numbers. Nothing of it goes over TCP or HTTP.
//
//	successor                          the one before
//	HELLO   protocol, wish, nonce  ->
//	                               <-  CHALLENGE nonce, proof | REFUSED why
//	PROOF   proof                  ->
//	                               <-  GIVEN sockets, once its database is closed
//	READY                          ->  all but the commit is done
//	                               <-  GO: it will not open the database again
//	DONE                           ->  committed; both now serve, the one before drains
//	                               <-  REQUEST, USAGE, SUBMIT … as they come
#ifndef YJ_AGENT_HANDOVER_WIRE_H
#define YJ_AGENT_HANDOVER_WIRE_H

#include <sys/types.h>
#include "shared/err.h"
#include "shared/secret.h"
#include "shared/str.h"

#define WIRE_PROTOCOL 1
#define WIRE_NONCE 32
#define WIRE_PROOF 32
#define WIRE_BYTES_MAX (64 * 1024)
#define WIRE_FDS_MAX 64

enum wire_kind {
	WIRE_HELLO,
	WIRE_CHALLENGE,
	WIRE_REFUSED,
	WIRE_PROOF_OF,
	WIRE_GIVEN,
	WIRE_READY,
	WIRE_GO,
	WIRE_DONE,
	WIRE_REQUEST,
	WIRE_USAGE,
	WIRE_SUBMIT, // how a submit ended
	WIRE_KINDS
};

struct wire_hello {
	uint32_t protocol;
	uint32_t asks; // it shall take over, whether or not the other is being stopped
	unsigned char nonce[WIRE_NONCE];
};

struct wire_challenge {
	unsigned char nonce[WIRE_NONCE];
	unsigned char proof[WIRE_PROOF];
};

struct wire_msg {
	enum wire_kind kind;
	size_t n;
	char bytes[WIRE_BYTES_MAX + 1]; // and a NUL
	int fd[WIRE_FDS_MAX]; // the receiver's; -1 where it has taken one
	size_t fds;
};

// In the directory dir_fd; -1 with errno. One that is left over is replaced.
int wire_listen(int dir_fd);
int wire_connect(int dir_fd); // blocking
void wire_unlink(int dir_fd);
// Whether the process at the other end runs as this user or as root.
bool wire_peer_is_ours(int fd, pid_t *ret_pid);
// False: it could not be sent whole.
bool wire_send(int fd, enum wire_kind kind, const void *p, size_t n, const int *fds, size_t fds_n);
enum wire_got { WIRE_GOT, WIRE_NOTHING, WIRE_END };
// WIRE_NOTHING: not now. What is no message of ours is WIRE_END.
enum wire_got wire_recv(int fd, struct wire_msg *m);
void wire_close_fds(struct wire_msg *m); // those that nobody took

// The key that both derive; empty on error, ERR_SEALED with the reason.
enum err_code wire_key(const char *root_file, struct secret *ret, struct err *err);
enum wire_side { WIRE_SUCCESSOR, WIRE_BEFORE };
void wire_proof(const struct secret *key, enum wire_side side,
	const unsigned char successor[WIRE_NONCE], const unsigned char before[WIRE_NONCE],
	unsigned char ret[WIRE_PROOF]);
bool wire_same(const unsigned char a[WIRE_PROOF], const unsigned char b[WIRE_PROOF]);

// A file in memory with these bytes; -1 with errno.
int wire_file(struct slice bytes);
// Reads it whole; false when it is longer than max or cannot be read.
bool wire_file_read(int fd, size_t max, struct str *out);

#endif
