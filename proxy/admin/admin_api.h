// AdminApi: what the admin port answers.
//
//   GET  /livez            the process runs
//   GET  /readyz           it serves: 200, or 503; with ?verbose, why
//   GET  /metrics          Prometheus text
//   GET  /api/v1/status    pools and backends, as JSON
//   GET  /api/v1/members   the group's members, as its leader sees them
//   GET  /api/v1/ring      what every pool's ring is made of, and its epoch
//   POST /api/v1/change    what an operator wants changed (process/operator_command.h); needs the
//                          token; 503: no leader, 504: nobody knows whether it was done
//   POST /api/v1/reload    reads the configuration again; needs the token
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "proxy/admin/http_server.h"

namespace quorate::admin {

struct Readiness {
  bool ready = false;
  std::vector<std::string> lines;  ///< "[+]pool cache: 3 of 3 backends answer"
};

struct ReloadOutcome {
  bool ok = false;
  std::vector<std::string> changes;  ///< one line each; empty: nothing changed
  std::string diagnostics;           ///< warnings, or what is wrong with the file
};

/// What the process behind the port can do. Called on the control thread.
class Operations {
 public:
  virtual ~Operations() = default;
  virtual Readiness readiness() = 0;
  virtual void metrics(std::function<void(std::string)> answer) = 0;
  virtual void status(std::function<void(std::string json)> answer) = 0;
  virtual void members(std::function<void(std::string json)> answer) = 0;
  virtual std::string ring() = 0;
  virtual void change(const std::string& body,
                      std::function<void(int status, std::string json)> answer) = 0;
  virtual ReloadOutcome reload() = 0;
};

Handler make_admin_api(Operations& operations, std::string token);

}  // namespace quorate::admin
