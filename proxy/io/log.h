// The log: one event a line, logfmt or JSON, on standard error or in a file that is opened again on
// SIGHUP. spdlog carries it; this only gives an event its fields. Any thread; never on the data
// path.
//
//   log_info("backend down", {{"pool", "cache"}, {"backend", "10.0.0.1:6379"}});
//   time=2026-11-21T05:12:09.120Z level=info event="backend down" pool=cache backend=10.0.0.1:6379
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "proxy/config/settings.h"

namespace quorate::io {

struct LogField {
  std::string_view name;
  std::string value;

  LogField(std::string_view field, std::string text) : name(field), value(std::move(text)) {}
  LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
  LogField(std::string_view field, const char* text) : name(field), value(text) {}
  LogField(std::string_view field, uint64_t number) : name(field), value(std::to_string(number)) {}
};

/// False: the file could not be opened; the log stays what it was.
bool open_log(const config::LogSettings& settings);

void log_debug(std::string_view event, std::initializer_list<LogField> fields = {});
void log_info(std::string_view event, std::initializer_list<LogField> fields = {});
void log_warn(std::string_view event, std::initializer_list<LogField> fields = {});
void log_error(std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace quorate::io
