// SPDX-License-Identifier: MIT
// Descriptors kept open for nothing, so that one can be given up when the process has no other left:
// whoever calls then is told so, and who may administer the agent comes in.
#include "agent/web/spare.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "agent/web/private.h"

void web_spares_begin(struct web *w)
{
	memset(w->spare_fd, -1, sizeof(w->spare_fd));
	web_spares_take(w);
}

void web_spares_take(struct web *w)
{
	if (LIKELY(w->spare_fd[0] >= 0))
		return; // it is given up first and taken again last
	for (size_t i = WEB_KEPT; i-- > 0;) {
		if (w->spare_fd[i] < 0)
			w->spare_fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (w->spare_fd[i] < 0)
			return;
	}
}

size_t web_spare_give(struct web *w)
{
	size_t i = 0;
	while (i < WEB_KEPT && w->spare_fd[i] < 0)
		i++;
	if (i == WEB_KEPT)
		return 0;
	close(w->spare_fd[i]);
	w->spare_fd[i] = -1;
	return WEB_KEPT - i;
}

void web_spares_end(struct web *w)
{
	while (web_spare_give(w) > 0)
		;
}
