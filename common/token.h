// SPDX-License-Identifier: MIT
// What client and daemon agree on about tokens.
#pragma once

#define TOKEN_MAX 1024 // characters
