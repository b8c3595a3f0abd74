#include "proxy/cli/reload_command.h"

#include <ostream>

#include "proxy/cli/admin_client.h"
#include "proxy/cli/exit_code.h"

namespace quorate::cli {

int run_reload(const ReloadOptions& options, std::ostream& out, std::ostream& err) {
  const AdminAnswer answer = admin_post(options.admin, "/api/v1/reload", {}, err);
  if (answer.exit_code != kExitOk) return answer.exit_code;
  const auto& body = answer.body;
  if (answer.status == 401 || body.is_discarded() || !body.contains("ok")) {
    err << "quorate: " << options.admin << " answered " << answer.status << ": " << answer.text
        << "\n";
    return kExitFailed;
  }
  err << body["diagnostics"].get<std::string>();
  if (!body["ok"].get<bool>()) {
    err << "quorate: nothing was changed\n";
    return kExitConfiguration;
  }
  for (const auto& change : body["changes"]) out << change.get<std::string>() << "\n";
  if (body["changes"].empty()) err << "no changes\n";
  return kExitOk;
}

}  // namespace quorate::cli
