// SPDX-License-Identifier: MIT
// The proleptic Gregorian calendar from year 1 on: days since 1970-01-01 and back. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

bool calendar_valid(int year, int month, int day); // month and day count from 1
int64_t calendar_days(int year, int month, int day);
void calendar_date(int64_t days, int *ret_year, int *ret_month,
                   int *ret_day); // days of year 1 or later
