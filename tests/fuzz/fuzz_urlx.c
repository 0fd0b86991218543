// SPDX-License-Identifier: MIT
// The verdict on an address is worth nothing unless it is the one libcurl dials: every literal
// host is handed to libcurl, and the socket callback sees where it would have gone.
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include "shared/str.h"
#include "shared/urlx.h"

struct dialled {
	bool any;
	enum addr_class class;
};

static curl_socket_t on_socket(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *sa)
{
	struct dialled *d = arg;
	d->any = true;
	d->class = urlx_addr_class(&sa->addr);
	return CURL_SOCKET_BAD;
}

static struct dialled dial(const char *url)
{
	struct dialled d = {0};
	CURL *easy = curl_easy_init();
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &d);
	curl_easy_perform(easy);
	curl_easy_cleanup(easy);
	return d;
}

static bool is_literal(const char *host)
{
	return strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

static void must_agree(const char *url)
{
	struct arena a = ARENA_INIT;
	struct url u;
	bool is_name;
	enum addr_class class;
	if (urlx_parse(slice_of(url), &a, &u, NULL) == ERR_OK) {
		class = urlx_host_class(u.host, &is_name);
		if (u.port < 1 || u.port > 65535 || !*u.host || strpbrk(u.host, "/@\\?# "))
			abort();
		// A name is judged when it is dialled; resolving it here would ask a real server.
		if (!is_name && is_literal(u.host)) {
			struct dialled d = dial(url);
			if (class != ADDR_FORBIDDEN && (!d.any || d.class != class))
				abort();
			if (class == ADDR_FORBIDDEN && d.any && d.class != class)
				abort();
		}
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str url = STR_INIT;
	if (n > 200 || memchr(p ? (const char *)p : "", 0, n))
		return 0;
	str_add_n(&url, p, n);
	must_agree(str_text(&url));
	str_clear(&url);
	str_add(&url, "http://"); // most inputs that get further begin like this
	str_add_n(&url, p, n);
	must_agree(str_text(&url));
	str_release(&url);
	return 0;
}
