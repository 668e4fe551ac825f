// SPDX-License-Identifier: MIT
// The sockets of questions to name servers, for ares_set_socket_functions. They are made here
// because only here a lack of descriptors can be told from a server that does not answer: the one
// is ours and passes, the other is the name's.
#pragma once

struct ares_socket_functions;

// Their context is a bool: whether the socket made last failed for want of descriptors or memory.
extern const struct ares_socket_functions dns_socket_functions;
