// SPDX-License-Identifier: MIT
// The table of what a task can fail of. Pure data; names and classes are a public contract,
// messages and hints may be reworded.
#include "common/task_error.h"

#include <string.h>

static const struct task_error_info table[TASK_ERROR__COUNT] = {
    [TASK_OK] = {NULL, TASK_CLASS_NONE, "", ""},
    [TASK_DNS_NOT_FOUND] = {"dns_not_found", TASK_CLASS_NONE, "The host name does not exist",
                            "Check the spelling of the host; the name servers say that there is no "
                            "such name or that it has no address."},
    [TASK_DNS_TEMPORARY] = {"dns_temporary", TASK_CLASS_NETWORK,
                            "The name servers could not be asked about the host name",
                            "Name resolution failed for now. If it fails for every host, check "
                            "/etc/resolv.conf or fetch.resolver on the daemon's machine."},
    [TASK_CONNECT_REFUSED] = {"connect_refused", TASK_CLASS_NETWORK,
                              "The server refused the connection",
                              "The machine is up but nothing listens on that port. Check the port "
                              "and whether the service is running."},
    [TASK_CONNECT_TIMEOUT] = {"connect_timeout", TASK_CLASS_TIMEOUT,
                              "The server did not accept the connection in time",
                              "The host is down, overloaded or behind a firewall that drops "
                              "packets. A longer connect_timeout_ms seldom helps."},
    [TASK_CONNECT_FAILED] = {"connect_failed", TASK_CLASS_NETWORK,
                             "No connection to the server could be made",
                             "There is no route to the host, or the network is down. Check the "
                             "daemon's own network, and IPv6 if the host has only IPv6 addresses."},
    [TASK_CONNECTION_RESET] = {"connection_reset", TASK_CLASS_NETWORK,
                               "The server broke the connection off",
                               "The server or a firewall in between ended the connection in the "
                               "middle. Fewer requests at once to this host may help."},
    [TASK_EMPTY_REPLY] = {"empty_reply", TASK_CLASS_NETWORK,
                          "The server closed the connection without an answer",
                          "Often a plain-HTTP request to a TLS port, or a server that rejects "
                          "the client. Check http:// against https:// and the port."},
    [TASK_TLS_VERIFY] = {"tls_verify", TASK_CLASS_NONE,
                         "The server's certificate could not be verified",
                         "The certificate is expired, self-signed or for another name. Add its CA "
                         "with fetch.ca_file, or set verify_tls to false for these tasks if you "
                         "accept the risk."},
    [TASK_TLS_HANDSHAKE] = {"tls_handshake", TASK_CLASS_NETWORK, "The TLS handshake failed",
                            "Client and server found no common TLS version or cipher, or the port "
                            "does not speak TLS. Check https:// against http:// and the port."},
    [TASK_TIMEOUT_FIRST_BYTE] = {"timeout_first_byte", TASK_CLASS_TIMEOUT,
                                 "The server accepted the request but did not begin to answer in "
                                 "time",
                                 "The server is slow to answer. Raise timeout_ms, or send it fewer "
                                 "requests at once."},
    [TASK_TIMEOUT_STALL] = {"timeout_stall", TASK_CLASS_TIMEOUT,
                            "The answer began but then stopped arriving",
                            "The transfer stalled half-way. Try again; if it persists, the server "
                            "or the path to it drops long transfers."},
    [TASK_TIMEOUT_TOTAL] = {"timeout_total", TASK_CLASS_TIMEOUT,
                            "The attempt did not finish within timeout_ms",
                            "Raise timeout_ms for large or slow answers."},
    [TASK_HTTP_PROTOCOL] =
        {"http_protocol", TASK_CLASS_NONE, "The server's answer is not valid HTTP",
         "The port may belong to another protocol, or the server is broken. Look "
         "at it with curl -v."},
    [TASK_HTTP_STATUS] = {"http_status", TASK_CLASS_NONE, "The HTTP status is not in accept_status",
                          "The server answered, but with a status that the task does not accept. "
                          "The answer's headers and body are kept and usually say why."},
    [TASK_HEADER_TOO_LARGE] = {"header_too_large", TASK_CLASS_NONE,
                               "The answer's headers are too large",
                               "The server sent more header bytes than any client accepts; often a "
                               "loop that sets cookies."},
    [TASK_BODY_TOO_LARGE] = {"body_too_large", TASK_CLASS_NONE,
                             "The answer's body is larger than max_body_bytes",
                             "Raise max_body_bytes for this task, or fetch.max_body for all. The "
                             "limit counts decompressed bytes too."},
    [TASK_TRUNCATED_BODY] =
        {"truncated_body", TASK_CLASS_NETWORK, "The connection ended before the whole body arrived",
         "The server sent less than it announced. What arrived is counted in size but "
         "not kept, since nobody could tell it from the whole."},
    [TASK_CONTENT_ENCODING] = {"content_encoding", TASK_CLASS_NONE,
                               "The compressed body could not be decoded",
                               "The body is damaged, or is not in the encoding that its "
                               "Content-Encoding names. The header \"Accept-Encoding: identity\" "
                               "asks the server for a plain one."},
    [TASK_TOO_MANY_REDIRECTS] = {"too_many_redirects", TASK_CLASS_NONE,
                                 "The server redirected more often than max_redirects",
                                 "Usually a loop: a server that wants a cookie, or two that send "
                                 "each other the visitor. The chain is in the result."},
    [TASK_REDIRECT_INVALID] =
        {"redirect_invalid", TASK_CLASS_NONE,
         "The server redirected to something that is no valid URL",
         "The Location header is broken. It stands among the result's headers."},
    [TASK_REDIRECT_SCHEME] = {"redirect_scheme", TASK_CLASS_NONE,
                              "The server redirected to a scheme that is not http or https",
                              "Only http and https are followed. Set max_redirects to 0 to get the "
                              "redirect itself as the result."},
    [TASK_BLOCKED_ADDRESS] =
        {"blocked_address", TASK_CLASS_NONE, "The host's address may not be fetched",
         "The address is private, local or otherwise special. An administrator "
         "can allow it with fetch.allow_addresses."},
    [TASK_BLOCKED_PORT] = {"blocked_port", TASK_CLASS_NONE, "The port may not be fetched",
                           "The port belongs to a service that is not HTTP. An administrator can "
                           "allow it with fetch.allow_ports."},
    [TASK_PROXY] = {"proxy", TASK_CLASS_NETWORK, "The proxy could not be used",
                    "The proxy is unreachable, refused the request or wants credentials. Check the "
                    "task's proxy option."},
    [TASK_CANCELLED] = {"cancelled", TASK_CLASS_NONE, "The task was cancelled",
                        "Somebody cancelled the batch, or fail_fast ended it after another task "
                        "failed."},
    [TASK_EXPIRED] = {"expired", TASK_CLASS_NONE,
                      "The batch's deadline passed before the task was finished",
                      "Give the batch a longer deadline, or raise the limits of the hosts that it "
                      "waits for (gather hosts)."},
    [TASK_INTERRUPTED] = {"interrupted", TASK_CLASS_NONE,
                          "The daemon stopped while the request was under way, and the request may "
                          "not be repeated",
                          "A POST or PATCH may have taken effect or not; check at the server. With "
                          "retry.unsafe true such tasks are repeated."},
    [TASK_CRASH_LOOP] = {"crash_loop", TASK_CLASS_NONE,
                         "The daemon crashed repeatedly while fetching this URL",
                         "This answer seems to crash the daemon, so it is not tried again. Please "
                         "report the URL as a bug."},
    [TASK_INTERNAL] = {"internal", TASK_CLASS_NONE, "The daemon failed, not the server",
                       "Look at the daemon's log near the task's finish time: journalctl -u "
                       "gatherd."},
    [TASK_BLOCKED_ROBOTS] = {"blocked_robots", TASK_CLASS_NONE,
                             "The host's robots.txt does not allow this URL to be fetched",
                             "The operators of the host do not want this URL fetched by programs. "
                             "Ask them; or, if you may, an administrator can set robots = "
                             "\"ignore\" for the host in gatherd.conf."},
};

const struct task_error_info *task_error_info(enum task_error code)
{
    if ((unsigned)code >= TASK_ERROR__COUNT) {
        return &table[TASK_INTERNAL];
    }
    return &table[code];
}

const char *task_error_status_hint(int status)
{
    switch (status) {
    case 401:
    case 403:
        return "The server wants credentials, or does not want this client. Check the task's "
               "Authorization and Cookie headers and fetch.user_agent; the body usually says why.";
    case 404:
    case 410:
        return "The page is not there (any more). To count such answers as successes, add the "
               "status to accept_status.";
    case 429:
        return "The server asks for fewer requests, and its host is left alone for as long as it "
               "says. Give it a lower limit (gather hosts set), then repeat the tasks.";
    case 503:
        return "The server is overloaded or under maintenance, and its host is left alone for as "
               "long as it says. Repeat the tasks later.";
    default: break;
    }
    return status >= 500 && status < 600
               ? "The server, or a proxy in front of it, failed. Repeat the tasks later; if it "
                 "persists, its operators must see to it."
               : NULL;
}

enum task_error task_error_by_name(const char *name)
{
    for (int code = TASK_OK + 1; code < TASK_ERROR__COUNT; code++) {
        if (strcmp(table[code].name, name) == 0) {
            return (enum task_error)code;
        }
    }
    return TASK_OK;
}
