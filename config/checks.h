// SPDX-License-Identifier: MIT
// What the text of a string setting must look like, so that a fault is reported with its file and
// line and not by whoever uses the value later. Pure.
#pragma once

#include "common/err.h"

// Each returns 0, or -1 with ERR_CONFIG and a text such as "must be ...".
int check_not_empty(const char *value, struct err *e);
int check_listen_address(const char *value,
                         struct err *e); // "127.0.0.1:7070", "[::1]:7070"; port 0: any
int check_name_server(const char *value, struct err *e); // an address, with or without a port
int check_host(const char *value, struct err *e);
int check_address_range(const char *value, struct err *e); // "10.0.0.0/8", "::1"
int check_port_range(const char *value, struct err *e);    // "8081", "9000-9010"
int check_header_text(const char *value, struct err *e);   // visible ASCII and spaces
