// `quorate status`, `member …` and `backend …`: what the group has agreed on, and how to change it,
// through any of its proxies.
#pragma once

#include <iosfwd>
#include <map>
#include <string>

#include "proxy/cli/output_form.h"

namespace quorate::cli {

struct ClusterOptions {
  std::string admin = "127.0.0.1:9180";
  OutputForm form = OutputForm::kLines;
};

/// A change that is asked for.
struct ChangeOptions {
  std::string admin = "127.0.0.1:9180";
  std::string what;  ///< "backend eject"
  std::string name;
  std::string address;
  std::string pool;
  std::string zone;
  std::string new_name;
  unsigned weight = 1;
  unsigned replicas = 0;
  std::map<std::string, unsigned> figures;  ///< of a pool, as the admin port names them
  std::string on_eject;
  OutputForm form = OutputForm::kLines;
  bool spare = false;
  bool force = false;
  bool dry_run = false;
  bool yes = false;
  bool dangerous = false;    ///< a plan is shown first
  bool interactive = false;  ///< somebody is there to be asked
  bool wait = true;          ///< until what a change of a replicated pool moves, has moved
  bool terminal = false;     ///< a bar may be drawn
};

int run_status(const ClusterOptions& options, std::ostream& out, std::ostream& err);
int run_member_list(const ClusterOptions& options, std::ostream& out, std::ostream& err);
int run_pool_list(const ClusterOptions& options, std::ostream& out, std::ostream& err);
int run_backend_list(const ClusterOptions& options, std::ostream& out, std::ostream& err);
int run_change(const ChangeOptions& options, std::istream& in, std::ostream& out,
               std::ostream& err);

}  // namespace quorate::cli
