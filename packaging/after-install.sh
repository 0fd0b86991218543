#!/bin/bash
# SPDX-License-Identifier: MIT
# after-install.sh SCOPE PREFIX: what is left to do after `make install`, which starts nothing.
set -euo pipefail
if [ "$1" = user ]; then
	echo 'To run the agent as a service of yours:'
	echo '  systemctl --user daemon-reload'
	echo '  systemctl --user enable --now yijiand.service'
	echo '  loginctl enable-linger         # also while you are not logged in'
	case :$PATH: in *":$2/bin:"*) ;; *) echo "and $2/bin belongs on your PATH." ;; esac
else
	echo 'To run the agent as a service, as root:'
	echo '  systemd-sysusers yijiand.conf && systemd-tmpfiles --create yijiand.conf'
	echo "  $2/libexec/yijian/root-key"
	echo '  systemctl daemon-reload'
	echo '  systemctl enable --now yijiand.service'
fi
