// SPDX-License-Identifier: MIT
#ifndef YJ_SHARED_VERSION_H
#define YJ_SHARED_VERSION_H

#ifndef YJ_VERSION
#define YJ_VERSION "0.1.0"
#endif
#define YJ_NAME "yijian"

#endif
