#include "proxy/admin/admin_api.h"

#include <nlohmann/json.hpp>

#include "proxy/admin/token.h"
#include "proxy/io/log.h"

namespace quorate::admin {

namespace {

constexpr std::string_view kJson = "application/json";

HttpResponse text(int status, std::string body) {
  return {.status = status, .body = std::move(body)};
}

HttpResponse readyz(Operations& operations, bool verbose) {
  const Readiness readiness = operations.readiness();
  std::string body;
  if (verbose) {
    for (const std::string& line : readiness.lines) body.append(line).append("\n");
  }
  body.append(readiness.ready ? "ready\n" : "not ready\n");
  return text(readiness.ready ? 200 : 503, std::move(body));
}

HttpResponse reload(Operations& operations) {
  const ReloadOutcome outcome = operations.reload();
  nlohmann::ordered_json body;
  body["ok"] = outcome.ok;
  body["changes"] = outcome.changes;
  body["diagnostics"] = outcome.diagnostics;
  return {.status = outcome.ok ? 200 : 409,
          .content_type = std::string(kJson),
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"};
}

bool may_change(const HttpRequest& request, const std::string& token) {
  const auto header = request.headers.find("authorization");
  constexpr std::string_view kBearer = "Bearer ";
  return header != request.headers.end() && header->second.starts_with(kBearer) &&
         same_token(std::string_view(header->second).substr(kBearer.size()), token);
}

}  // namespace

Handler make_admin_api(Operations& operations, std::string token) {
  return [&operations, token = std::move(token)](const HttpRequest& request, Respond respond) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (request.path == "/api/v1/reload" || request.path == "/api/v1/change") {
      if (request.method != "POST") return respond(text(405, "POST only\n"));
      if (!may_change(request, token)) {
        io::log_warn("admin request refused", {{"path", request.path}, {"why", "no valid token"}});
        return respond(text(401, "needs the token: Authorization: Bearer …\n"));
      }
      io::log_info("admin request", {{"path", request.path}, {"body", request.body}});
      if (request.path == "/api/v1/reload") return respond(reload(operations));
      return operations.change(request.body, [respond](int status, std::string body) {
        respond({.status = status, .content_type = std::string(kJson), .body = std::move(body)});
      });
    }
    if (!reads) return respond(text(405, "GET only\n"));
    if (request.path == "/livez") return respond(text(200, "ok\n"));
    if (request.path == "/readyz") {
      return respond(readyz(operations, request.query.find("verbose") != std::string::npos));
    }
    if (request.path == "/metrics") {
      return operations.metrics([respond](std::string body) {
        respond(
            {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(body)});
      });
    }
    if (request.path == "/api/v1/members") {
      return operations.members([respond](std::string body) {
        respond({.content_type = std::string(kJson), .body = std::move(body)});
      });
    }
    if (request.path == "/api/v1/ring") {
      return respond({.content_type = std::string(kJson), .body = operations.ring()});
    }
    if (request.path == "/api/v1/status") {
      return operations.status([respond](std::string body) {
        respond({.content_type = std::string(kJson), .body = std::move(body)});
      });
    }
    respond(text(404, "nothing here; try /livez /readyz?verbose /metrics /api/v1/status\n"));
  };
}

}  // namespace quorate::admin
