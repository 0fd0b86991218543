// SPDX-License-Identifier: MIT
// Calls over libcurl for a program that must go on meanwhile: many at once, none of them blocking,
// and every buffer of the library's that may hold a token wiped.
#include "shared/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"
#include "shared/num.h"
#include "shared/str.h"
#include "shared/text.h"
#include "shared/version.h"

#define FDS_MAX 8

struct http {
	CURLM *multi;
	struct http_call *calls; // running
	size_t running;
	bool told; // bytes of a stream came since the last wait
	bool inside; // libcurl is at work: handles may not be freed under it
};

struct http_call {
	struct http *h;
	struct http_call *prev, *next;
	CURL *easy;
	struct curl_slist *headers, *addresses;
	struct str body_out, body, content_type, etag, request_id;
	bool (*on_data)(void *arg, struct slice bytes);
	void (*on_done)(void *arg, enum err_code code, const struct http_response *res,
		const struct err *err);
	void *arg;
	bool added, stopped, too_large, cancelled, peek, own_ca;
	char why[CURL_ERROR_SIZE];
};

// libcurl's own copies of heads and bodies hold tokens and keys.
static void wiping_free(void *p)
{
	if (p != NULL)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

static void *wiping_realloc(void *p, size_t n)
{
	void *moved = malloc(n);
	if (moved != NULL && p != NULL) {
		memcpy(moved, p, MIN_OF(n, malloc_usable_size(p)));
		wiping_free(p);
	}
	return moved;
}

// Once for all threads and until the program ends: older libraries count without a lock.
static bool is_set_up;

static void set_up(void)
{
	is_set_up = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc,
			    strdup, calloc) == CURLE_OK;
}

struct http *http_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h = mem_zalloc(1, sizeof(*h));
	pthread_once(&once, set_up);
	if (!is_set_up || (h->multi = curl_multi_init()) == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

static void free_call(struct http_call *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->h->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->h->running--;

	curl_multi_remove_handle(c->h->multi, c->easy);
	curl_easy_cleanup(c->easy);
	for (struct curl_slist *l = c->headers; l != NULL; l = l->next)
		secret_wipe(l->data, strlen(l->data)); // one of them may hold the token
	curl_slist_free_all(c->headers);
	curl_slist_free_all(c->addresses);
	str_wipe(&c->body_out);
	str_wipe(&c->body); // a key that is shown once
	str_release(&c->content_type);
	str_release(&c->etag);
	str_release(&c->request_id);
	free(c);
}

void http_cancel(struct http_call *c)
{
	if (c->h->inside)
		c->cancelled = true; // swept when libcurl is done
	else
		free_call(c);
}

void http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->calls != NULL)
		free_call(h->calls);
	curl_multi_cleanup(h->multi);
	free(h);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;
	n *= size;
	if (c->cancelled)
		return 0;
	long status = 0;
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->on_data != NULL && status / 100 == 2) {
		c->h->told = true;
		c->stopped = !c->on_data(c->arg, (struct slice){p, n});
		return c->stopped ? 0 : n;
	}
	if (c->body.n + n > HTTP_BODY_MAX) {
		c->too_large = true;
		return 0;
	}
	str_add_n(&c->body, p, n);
	return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_call *c = arg;
	struct slice value = {p, n * size}, name = slice_cut(&value, ':');
	struct str *to = slice_ieq_str(name, "content-type") ? &c->content_type
		: slice_ieq_str(name, "etag")		     ? &c->etag
		: slice_ieq_str(name, "x-request-id")	     ? &c->request_id
							     : NULL;
	if (to != NULL) {
		str_clear(to);
		str_add_slice(to, slice_trim(value));
	}
	return n * size;
}

static void add_header(struct http_call *c, const char *line)
{

	for (const char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return;
	struct curl_slist *l = curl_slist_append(c->headers, line);
	if (l != NULL)
		c->headers = l;
}

static void set_headers(struct http_call *c, const struct http_request *r)
{
	struct str line = STR_INIT;
	for (size_t i = 0; i < HTTP_HEADERS_MAX && r->headers[i] != NULL; i++)
		add_header(c, r->headers[i]);
	add_header(c, "Expect:");
	if (!r->has_body && !r->body.n)
		add_header(c, "Content-Type:"); // or libcurl calls nothing a form
	if (r->token != NULL && r->token->n) {
		str_reserve(&line, SECRET_MAX + 32);
		str_add(&line, "Authorization: Bearer ");
		str_add_slice(&line, secret_bytes(r->token));
		add_header(c, str_text(&line));
		secret_wipe(line.p, line.n);
		str_release(&line);
	}
	curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers);
}

static void set_method(struct http_call *c, const struct http_request *r)
{
	// Methods that say "Content-Length: 0" when they have nothing to send (RFC 9110 8.6).
	bool expects_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0 ||
		strcmp(r->method, "PATCH") == 0;
	if (r->has_body || r->body.n) {
		str_add_slice(&c->body_out, r->body);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, str_text(&c->body_out));
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_out.n);
	} else if (expects_body) {
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, 0L);
	}
	if (strcmp(r->method, "GET") != 0)
		curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, r->method);
}

// One of its two addresses may be missing on a host: both are tried, whatever /etc/hosts says.
static void set_localhost(struct http_call *c, const char *url)
{
	struct slice rest = slice_of(url), scheme = slice_cut(&rest, ':');
	int64_t port = slice_eq_str(scheme, "https") ? 443 : 80;
	if (!slice_starts(rest, "//localhost"))
		return;
	rest = (struct slice){rest.p + 11, rest.n - 11};
	struct slice at = slice_cut(&rest, '/');
	if (at.n &&
		(at.p[0] != ':' || !num_i64((struct slice){at.p + 1, at.n - 1}, 1, 65535, &port)))
		return;
	char entry[64];
	snprintf(entry, sizeof(entry), "localhost:%lld:127.0.0.1,::1", (long long)port);
	c->addresses = curl_slist_append(NULL, entry);
	curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->addresses);
}

// This host is never asked through a proxy, nor is what the user's own list names.
static void set_no_proxy(CURL *e)
{
	const char *user = getenv("no_proxy");
	struct str all = STR_INIT;
	user = user != NULL && *user ? user : getenv("NO_PROXY");
	bool some = user != NULL && *user;
	if (some && strcmp(user, "*") == 0)
		str_add(&all, user);
	else
		str_addf(&all, "localhost,127.0.0.1,::1%s%s", some ? "," : "", some ? user : "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, str_text(&all));
	str_release(&all);
}

static void set_options(struct http_call *c, const struct http_request *r)
{
	CURL *e = c->easy;
	curl_easy_setopt(e, CURLOPT_URL, r->url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	set_no_proxy(e);
	curl_easy_setopt(e, CURLOPT_USERAGENT, YJ_NAME "/" YJ_VERSION);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	if (r->unix_socket != NULL)
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
	else
		set_localhost(c, r->url);
}

static void set_tls(struct http_call *c, const struct http_request *r)
{
	static const struct http_trust system = {0};
	const struct http_trust *t = r->trust != NULL ? r->trust : &system;
	CURL *e = c->easy;
	bool pinned = t->pin != NULL && *t->pin;
	c->peek = r->peek;
	c->own_ca = t->ca_file != NULL && *t->ca_file;
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (c->own_ca) {
		curl_easy_setopt(e, CURLOPT_CAINFO, t->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (r->peek) {
		curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
	} else if (pinned) {
		curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, t->pin);
	}
	if (r->peek || pinned) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

struct http_call *http_start(struct http *h, const struct http_request *r)
{
	struct http_call *c = mem_zalloc(1, sizeof(*c));
	c->h = h;
	c->easy = curl_easy_init();
	if (c->easy == NULL)
		abort(); // only memory can fail here
	c->on_data = r->on_data;
	c->on_done = r->on_done;
	c->arg = r->arg;
	c->next = h->calls;
	if (h->calls != NULL)
		h->calls->prev = c;
	h->calls = c;
	h->running++;
	set_options(c, r);
	set_tls(c, r);
	set_headers(c, r);
	set_method(c, r);
	// Refused inside a callback of libcurl's; work() adds it then.
	c->added = curl_multi_add_handle(h->multi, c->easy) == CURLM_OK;
	return c;
}

// Why the library does not take the server for the one that was called, into c->why.
static enum err_code distrust(struct http_call *c, CURLcode code, struct err *err)
{
	static const char said[] = "SSL certificate problem: ";
	char why[CURL_ERROR_SIZE];
	long chain = 0;
	size_t skip = strncmp(c->why, said, strlen(said)) == 0 ? strlen(said) : 0;
	snprintf(why, sizeof(why), "%s", c->why[0] ? c->why + skip : curl_easy_strerror(code));
	curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &chain);
	// What the library found of the chain, as OpenSSL counts (X509_V_ERR_…): 0 nothing, 1 not
	// said; then it is the name. What another library counts is told in its own words.
	if (code == CURLE_SSL_CACERT_BADFILE)
		snprintf(c->why, sizeof(c->why), "%s",
			_("this host has no authorities to judge it by"));
	else if (chain == 0 || chain == 1)
		snprintf(c->why, sizeof(c->why), "%s", _("it is for other names"));
	else if (chain == 2 || (chain >= 18 && chain <= 21))
		snprintf(c->why, sizeof(c->why),
			_("no authority known here has signed it (%.100s)"), why);
	else
		snprintf(c->why, sizeof(c->why), "%s", why);
	return err_set(err, ERR_CERTIFICATE_UNTRUSTED, _("its certificate is not trusted: %s"),
		c->why);
}

static enum err_code classify(struct http_call *c, CURLcode code, struct err *err)
{
	curl_off_t connected_us = 0; // also of a kept connection; 0: it never came so far
	if (code == CURLE_OK || c->stopped)
		return ERR_OK;
	if (c->too_large)
		return err_set(err, ERR_NOT_AN_AGENT, _("the answer is larger than %d MiB"),
			HTTP_BODY_MAX >> 20);
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
		return connected_us > 0
			? err_set(err, ERR_TIMED_OUT, _("no answer in time"))
			: err_set(err, ERR_UNREACHABLE, _("nobody takes the connection in time"));
	case CURLE_PEER_FAILED_VERIFICATION:
		return distrust(c, code, err);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return err_set(err, ERR_CERTIFICATE_CHANGED, NULL);
	case CURLE_SSL_CACERT_BADFILE:
		return c->own_ca ? err_set(err, ERR_CONFIG_INVALID,
					   _("the file of authorities holds no certificate"))
				 : distrust(c, code, err);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_URL_MALFORMAT:
		return err_set(err, ERR_NOT_AN_AGENT, "%s",
			c->why[0] ? c->why : curl_easy_strerror(code));
	default:
		return err_set(err, ERR_UNREACHABLE, "%s",
			c->why[0] ? c->why : curl_easy_strerror(code));
	}
}

// The first certificate of the chain that was shown.
static const struct http_peer *read_peer(const struct http_call *c, struct http_peer *ret)
{
	struct curl_certinfo *shown = NULL;
	bool seen = false;
	if (!c->peek || curl_easy_getinfo(c->easy, CURLINFO_CERTINFO, &shown) != CURLE_OK ||
		shown == NULL || shown->num_of_certs < 1)
		return NULL;
	*ret = (struct http_peer){.subject = "", .issuer = ""};
	for (struct curl_slist *l = shown->certinfo[0]; l != NULL; l = l->next) {
		struct slice value = slice_of(l->data), name = slice_cut(&value, ':');
		if (value.p == NULL)
			continue;
		if (slice_ieq_str(name, "subject"))
			ret->subject = value.p;
		else if (slice_ieq_str(name, "issuer"))
			ret->issuer = value.p;
		else if (slice_ieq_str(name, "cert"))
			seen = x509_read(value, &ret->certificate);
	}
	return seen ? ret : NULL;
}

static void finish(struct http_call *c, CURLcode result)
{
	struct http_response res = {.content_type = str_text(&c->content_type),
		.etag = str_text(&c->etag),
		.request_id = str_text(&c->request_id),
		.body = str_slice(&c->body)};
	struct http_peer peer;
	struct err err = {0};
	long status = 0;
	res.peer = read_peer(c, &peer);
	enum err_code code = classify(c, result, &err);
	res.distrust = code == ERR_CERTIFICATE_UNTRUSTED ? c->why : "";
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	res.status = (int)status;
	long port = 0; // of the other side, as soon as there is one
	curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_PORT, &port);
	res.connected = port > 0;
	if (c->on_done != NULL && !c->cancelled)
		c->on_done(c->arg, code, &res, &err);
	c->cancelled = true; // also when the callback cancelled it already
}

// Moves the calls on and ends those that are done; returns how many were.
static size_t work(struct http *h)
{
	int running = 0;
	size_t done = 0;
	for (struct http_call *c = h->calls; c != NULL; c = c->next)
		if (!c->added)
			c->added = curl_multi_add_handle(h->multi, c->easy) == CURLM_OK;
	h->inside = true;
	curl_multi_perform(h->multi, &running);
	int left;
	CURLMsg *msg;
	while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct http_call *c = NULL;
		CURLcode result = msg->data.result;
		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &c);
		finish(c, result);
		done++;
	}
	h->inside = false;
	for (struct http_call *c = h->calls, *next; c != NULL; c = next) {
		next = c->next;
		if (c->cancelled)
			free_call(c);
	}
	return done;
}

bool http_wait(struct http *h, int timeout_ms, const int *fds, size_t n)
{
	int ready = 0;
	bool readable = false;
	n = MIN_OF(n, FDS_MAX);
	struct curl_waitfd extra[FDS_MAX];
	for (size_t i = 0; i < n; i++)
		extra[i] = (struct curl_waitfd){fds[i], CURL_WAIT_POLLIN, 0};
	h->told = false;
	if (work(h) || h->told)
		timeout_ms = 0; // the caller has something to look at
	curl_multi_poll(h->multi, extra, (unsigned)n, timeout_ms, &ready);
	for (size_t i = 0; i < n; i++)
		readable = readable || extra[i].revents;
	return readable;
}

size_t http_running(const struct http *h)
{
	return h->running;
}
