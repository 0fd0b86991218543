// SPDX-License-Identifier: MIT
// Reads an address, sorts it into public, private, this host's and forbidden, and says which of them
// a document may name under these settings.
#include "agent/api/address.h"

#include <stdio.h>
#include "agent/core/settings.h"
#include "shared/rows/vendors.h"
#include "shared/text.h"

static bool is_own_port(const struct agent *a, int port)
{
	for (int i = 0; i < SVC_COUNT; i++) {
		if (a->ports[i] == port)
			return true;
	}
	return false;
}

static enum err_code forbidden(struct err *err, const char *field, const char *why)
{
	return err_field(err, ERR_UPSTREAM_URL_FORBIDDEN, field, "%s", why);
}

// site: names that never leave a site are private, others anybody's; else every name is public.
static enum err_code judge(const struct agent *a, const char *field, struct slice text, bool site,
	struct arena *arena, struct url *ret, enum addr_class *ret_class, struct err *err)
{
	enum err_code code = urlx_parse(text, arena, ret, err);
	if (code != ERR_OK) {
		snprintf(err->field, sizeof(err->field), "%s", field);
		return code;
	}
	bool is_name;
	enum addr_class class = site ? urlx_site_class(ret->host)
				     : urlx_host_class(ret->host, &is_name);
	*ret_class = class;
	if (class == ADDR_FORBIDDEN)
		return forbidden(err, field, _("this address is never dialled"));
	if (class == ADDR_LOOPBACK && is_own_port(a, ret->port))
		return err_field(err, ERR_UPSTREAM_LOOP, field, NULL);
	if (class == ADDR_LOOPBACK && !a->settings->allow_loopback_upstreams)
		return forbidden(err, field, _("addresses of this host are not allowed here"));
	if (class == ADDR_PRIVATE && !a->settings->allow_private_upstreams)
		return forbidden(err, field, _("private addresses are not allowed here"));
	return ERR_OK;
}

enum err_code address_of_key(const struct agent *a, const struct vendor_key *k, struct arena *arena,
	struct url *ret, struct err *err)
{
	const char *service = k->service != NULL ? k->service
		: k->services.n			 ? k->services.v[0]
						 : "";
	const struct vendor_row *row = vendor_find(slice_of(k->vendor), slice_of(service));
	if (row == NULL)
		return err_field(err, ERR_VENDOR_UNKNOWN,
			vendor_known(slice_of(k->vendor)) ||
					engine_find(slice_of(k->vendor)) != NULL
				? "service"
				: "vendor",
			NULL);
	const char *text = k->base_url != NULL ? k->base_url : row->base_url;
	if (text == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "base_url",
			_("the address of the instance it opens is required"));
	enum addr_class class;
	enum err_code code = judge(a, "base_url", slice_of(text), row->local, arena, ret, &class,
		err);
	if (code == ERR_OK && class == ADDR_PUBLIC && !ret->tls)
		return err_field(err, ERR_TLS_REQUIRED, "base_url", NULL);
	return code;
}

enum err_code address_of_instance(const struct agent *a, enum role role, struct slice text,
	struct arena *arena, struct err *err)
{
	struct url url;
	enum addr_class class;
	enum err_code code = judge(a, "url", text, true, arena, &url, &class, err);
	if (code == ERR_OK && class == ADDR_PUBLIC && role != ROLE_ADMIN)
		return err_field(err, ERR_ROLE_FORBIDDEN, "url",
			_("registering a public address takes the role admin"));
	return code;
}

enum err_code address_hides_secret(const struct url *url, struct err *err)
{
	return url->tls || urlx_site_class(url->host) != ADDR_PUBLIC
		? ERR_OK
		: err_field(err, ERR_TLS_REQUIRED, "url", NULL);
}
