#include "proxy/io/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>

#include <nlohmann/json.hpp>

namespace quorate::io {

namespace {

std::atomic<bool> as_json{false};

spdlog::level::level_enum level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kTrace: return spdlog::level::trace;
    case config::LogLevel::kDebug: return spdlog::level::debug;
    case config::LogLevel::kInfo: return spdlog::level::info;
    case config::LogLevel::kWarn: return spdlog::level::warn;
    case config::LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

void append_value(std::string& line, std::string_view value) {
  const bool plain = !value.empty() && std::ranges::all_of(value, [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
  if (plain) {
    line.append(value);
  } else {
    line.append(
        nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
}

/// As quorate.toml writes it.
std::string_view name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "trace";
    case spdlog::level::debug: return "debug";
    case spdlog::level::warn: return "warn";
    case spdlog::level::err: return "error";
    default: return "info";
  }
}

void log(spdlog::level::level_enum level, std::string_view event,
         std::initializer_list<LogField> fields) {
  auto logger = spdlog::default_logger();
  if (!logger->should_log(level)) return;
  std::string line;
  if (as_json.load(std::memory_order_relaxed)) {
    nlohmann::ordered_json object;
    object["level"] = name_of(level);
    object["event"] = event;
    for (const LogField& field : fields) object[std::string(field.name)] = field.value;
    const std::string text =
        object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    line = text.substr(1);  // the pattern has opened the object
  } else {
    line.append("level=").append(name_of(level)).append(" event=");
    append_value(line, event);
    for (const LogField& field : fields) {
      line.append(1, ' ').append(field.name).append(1, '=');
      append_value(line, field.value);
    }
  }
  logger->log(level, "{}", line);
}

}  // namespace

bool open_log(const config::LogSettings& settings) {
  std::shared_ptr<spdlog::logger> logger;
  try {
    if (settings.file.empty()) {
      logger = std::make_shared<spdlog::logger>("quorate",
                                                std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } else {
      logger = std::make_shared<spdlog::logger>(
          "quorate", std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file));
    }
  } catch (const spdlog::spdlog_ex&) {
    return false;
  }
  const bool json = settings.format == config::LogFormat::kJson;
  logger->set_pattern(
      json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)" : "time=%Y-%m-%dT%H:%M:%S.%eZ %v",
      spdlog::pattern_time_type::utc);
  logger->set_level(level_of(settings.level));
  logger->flush_on(spdlog::level::trace);
  as_json.store(json, std::memory_order_relaxed);
  spdlog::set_default_logger(std::move(logger));
  return true;
}

void log_debug(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::debug, event, fields);
}
void log_info(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::info, event, fields);
}
void log_warn(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::warn, event, fields);
}
void log_error(std::string_view event, std::initializer_list<LogField> fields) {
  log(spdlog::level::err, event, fields);
}

}  // namespace quorate::io
