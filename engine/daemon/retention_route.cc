// POST /v1/retention and POST /v1/holds: for the writer's own user and root.
#include "engine/daemon/api.h"
#include "engine/daemon/keeper.h"
#include "engine/daemon/retention_json.h"

namespace khipu::daemon {
namespace {

HttpResponse answered(const Result<std::string>& body) {
  return body.ok() ? HttpResponse{200, *body, "application/json", {}, {}} : error_response(body.error());
}

}  // namespace

HttpResponse Api::post_retention(HttpRequest& request, const Caller& caller) {
  const auto carry_out = [&]() -> Result<std::string> {
    KHIPU_TRY_ASSIGN(Keeper * keeper, governed());
    KHIPU_TRY_ASSIGN(const std::string body, request.body());
    KHIPU_TRY_ASSIGN(const RetentionRequest wanted, parse_retention(body));
    if (wanted.clear_clock) {
      KHIPU_TRY_ASSIGN(const CommitNumber commit,
                       keeper->state(codec::Clock{codec::ClockEvent::kCleared, 0, clock_.now(), caller.scope}));
      return stated_json(commit);
    }
    if (wanted.dry_run) {
      KHIPU_TRY_ASSIGN(const retention::Plan plan, keeper->plan(wanted.table, wanted.policy));
      return plan_json(plan, true, std::nullopt, nullptr);
    }
    KHIPU_TRY_ASSIGN(const writer::Retainer::Decision decision,
                     keeper->decide(wanted.table, wanted.policy, caller.scope));
    return plan_json(decision.plan, false, decision.commit, nullptr);
  };
  return answered(carry_out());
}

HttpResponse Api::post_holds(HttpRequest& request, const Caller& caller) {
  const auto carry_out = [&]() -> Result<std::string> {
    KHIPU_TRY_ASSIGN(Keeper * keeper, governed());
    KHIPU_TRY_ASSIGN(const std::string body, request.body());
    KHIPU_TRY_ASSIGN(codec::Hold hold, parse_hold(body));
    hold.by = caller.scope;
    KHIPU_TRY_ASSIGN(const CommitNumber commit, keeper->state(std::move(hold)));
    return stated_json(commit);
  };
  return answered(carry_out());
}

Result<Keeper*> Api::governed() const {
  Keeper* const keeper = locked(keeper_);
  if (keeper == nullptr) return Error{Code::kBusy, "the server is starting or stopping"};
  return keeper;
}

void Api::set_keeper(Keeper* keeper) {
  const std::lock_guard lock(mutex_);
  keeper_ = keeper;
}

}  // namespace khipu::daemon
