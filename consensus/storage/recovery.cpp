#include "consensus/storage/recovery.h"

#include <algorithm>
#include <deque>
#include <map>

#include "consensus/base/assert.h"
#include "consensus/raft/bytes.h"
#include "consensus/raft/codec.h"
#include "consensus/raft/mutation.h"
#include "consensus/storage/segment.h"
#include "consensus/storage/snapshot_file.h"

namespace quorate::storage {
namespace {

using base::Failure;
using raft::EntryRef;
using raft::Index;
using raft::mutated;
using raft::Mutation;

Failure<Error> corrupt(const std::string& file, uint64_t offset, std::string what) {
  return Failure{Error{ErrorKind::kCorrupt, file, offset, std::move(what)}};
}

/// The log as its records tell it, one after the other.
class Replay {
 public:
  /// The segments before the first were removed when the log ended with `last_index`.
  explicit Replay(Index last_index) : base_index_(last_index) {}

  Status apply(const std::string& file, const Record& record) {
    switch (record.kind) {
      case RecordKind::kHardState: return apply_hard_state(file, record);
      case RecordKind::kEntry: return apply_entry(file, record);
      case RecordKind::kReset:
        entries_.clear();
        base_index_ = record.index;
        base_term_ = record.term;
        return Done{};
      case RecordKind::kSynced: return Done{};
    }
    return corrupt(file, record.offset, "a record of an unknown kind");
  }

  Index base_index() const { return base_index_; }
  /// Whether the log reaches `index` and has `term` there, as far as is known.
  bool holds(Index index, raft::Term term) const {
    if (index == base_index_) return base_term_ == 0 || base_term_ == term;
    return index <= last_index() && entries_[index - base_index_ - 1]->term == term;
  }
  Index last_index() const { return base_index_ + entries_.size(); }
  const std::optional<raft::HardState>& hard_state() const { return hard_state_; }
  const std::deque<EntryRef>& entries() const { return entries_; }

 private:
  Status apply_hard_state(const std::string& file, const Record& record) {
    raft::ByteReader in(record.payload);
    const auto voted = in.get<uint8_t>();
    const auto vote = in.get<uint64_t>();
    if (!in.finished() || voted > 1) return corrupt(file, record.offset, "a malformed hard state");
    hard_state_ = raft::HardState{record.term, std::nullopt};
    if (voted == 1) hard_state_->vote = raft::MemberId{vote};
    return Done{};
  }

  Status apply_entry(const std::string& file, const Record& record) {
    auto data = raft::decode_entry_data(record.payload);
    if (!data) {
      return corrupt(file, record.offset, std::string("an entry ") + to_string(data.error()));
    }
    if (record.index > last_index() + 1) {
      return corrupt(file, record.offset,
                     "entry " + std::to_string(record.index) + " follows entry " +
                         std::to_string(last_index()));
    }
    if (record.index <= base_index_) {  // before what is left of the log: it begins here then
      entries_.clear();
      base_index_ = record.index - 1;
      base_term_ = 0;
    }
    auto entry = std::make_shared<const raft::Entry>(
        raft::Entry{record.term, record.index, std::move(data).value()});
    if (mutated(Mutation::kForgetTruncationOnDisk) && record.index <= last_index()) {
      entries_[record.index - base_index_ - 1] = std::move(entry);
      return Done{};
    }
    entries_.resize(record.index - base_index_ - 1);
    entries_.push_back(std::move(entry));
    return Done{};
  }

  Index base_index_;
  raft::Term base_term_ = 0;  ///< 0: not known
  std::deque<EntryRef> entries_;
  std::optional<raft::HardState> hard_state_;
};

Failure<Error> damaged(const std::string& file, uint64_t offset, uint64_t durable_end) {
  return corrupt(file, offset,
                 "damaged: it was written and synced up to offset " + std::to_string(durable_end));
}

struct Loaded {
  std::string name;
  std::unique_ptr<const std::string> bytes;  ///< which `segment` looks into
  Segment segment;
};

class Recoverer {
 public:
  explicit Recoverer(Directory& directory) : directory_(directory) {}

  Result<Recovery> run() {
    if (Status done = find_files(); !done) return Failure{done.error()};
    if (Status done = load_snapshot(); !done) return Failure{done.error()};
    if (Status done = find_chain(); !done) return Failure{done.error()};
    if (Status done = replay(); !done) return Failure{done.error()};
    return std::move(result_);
  }

 private:
  Status find_files() {
    auto names = directory_.list();
    if (!names) return Failure{names.error()};
    for (const std::string& name : names.value()) {
      if (const auto number = segment_number(name)) {
        segments_.push_back(*number);
      } else if (const auto index = snapshot_index(name)) {
        if (newest_snapshot_) result_.dead_files.push_back(snapshot_name(*newest_snapshot_));
        newest_snapshot_ = index;  // names ascend as their indexes do
      } else if (name.ends_with(kPartialSuffix)) {
        result_.dead_files.push_back(name);
      }
    }
    if (!segments_.empty()) result_.highest_number = segments_.back();
    return Done{};
  }

  Status load_snapshot() {
    if (!newest_snapshot_) return Done{};
    const std::string name = snapshot_name(*newest_snapshot_);
    auto bytes = directory_.read(name);
    if (!bytes) return Failure{bytes.error()};
    auto snapshot = decode_snapshot(name, bytes.value());
    if (!snapshot) return Failure{snapshot.error()};
    result_.durable.snapshot = std::move(snapshot).value();
    return Done{};
  }

  Result<Loaded> load(uint64_t number, uint64_t limit) {
    Loaded loaded;
    loaded.name = segment_name(number);
    auto bytes = directory_.read(loaded.name);
    if (!bytes) return Failure{bytes.error()};
    loaded.bytes = std::make_unique<const std::string>(std::move(bytes).value());
    auto segment = read_segment(number, *loaded.bytes, limit);
    if (!segment) return Failure{segment.error()};
    loaded.segment = std::move(segment).value();
    return loaded;
  }

  /// The newest segment that counts and, backwards, those that it continues. Others are no part of
  /// the log; if one that should be is missing, finish() sees the gap.
  Status find_chain() {
    if (Status done = find_tail(); !done || chain_.empty()) return done;
    while (true) {
      const SegmentHeader& header = *chain_.front().segment.header;
      while (!segments_.empty() && segments_.back() > header.previous) drop_last();
      if (segments_.empty() || segments_.back() != header.previous) break;
      segments_.pop_back();
      auto loaded = load(header.previous, header.previous_end);
      if (!loaded) return Failure{loaded.error()};
      const Segment& segment = loaded.value().segment;
      if (!segment.header || segment.end != header.previous_end) {
        return damaged(loaded.value().name, segment.end, header.previous_end);
      }
      chain_.push_front(std::move(loaded).value());
    }
    while (!segments_.empty()) drop_last();
    return Done{};
  }

  void drop_last() {
    result_.dead_files.push_back(segment_name(segments_.back()));
    segments_.pop_back();
  }

  /// The last segment, unless the crash came before it was complete: what it began with is then
  /// still in the one before it.
  Status find_tail() {
    while (!segments_.empty()) {
      auto loaded = load(segments_.back(), UINT64_MAX);
      if (!loaded) return Failure{loaded.error()};
      Loaded& last = loaded.value();
      const Segment& segment = last.segment;
      if (segment.durable_end > segment.end && !mutated(Mutation::kCutCorruption)) {
        return damaged(last.name, segment.end, segment.durable_end);
      }
      const bool complete = segment.header && segment.durable_end > 0;
      const uint64_t used = complete ? segment.end : 0;
      if (used < segment.size) {
        result_.torn_tails.push_back({last.name, used, segment.size - used});
      }
      if (!complete) {
        incomplete_ = segments_.back();
        drop_last();
        continue;
      }
      result_.proven_end = std::min(segment.durable_end, segment.end);
      if (mutated(Mutation::kTrustUnprovenTail)) result_.proven_end = segment.end;
      if (mutated(Mutation::kKeepTornTail)) result_.proven_end = segment.size;
      segments_.pop_back();
      chain_.push_back(std::move(last));
      return Done{};
    }
    // Nothing is left. That is as it should be only if nothing was ever completed.
    if (incomplete_ > 1)
      return corrupt(segment_name(incomplete_), 0, "the log before it is missing");
    if (newest_snapshot_) return corrupt(snapshot_name(*newest_snapshot_), 0, "its log is missing");
    result_.highest_number = 0;
    return Done{};
  }

  Status replay() {
    if (chain_.empty()) return Done{};
    result_.empty = false;
    const SegmentHeader& first = *chain_.front().segment.header;
    Replay log(first.last_index);
    for (const Loaded& loaded : chain_) {
      Index max_index = 0;
      const bool is_last = &loaded == &chain_.back();
      for (const Record& record : loaded.segment.records) {
        if (Status done = log.apply(loaded.name, record); !done) return done;
        const bool unproven = is_last && record.offset >= result_.proven_end;
        if (record.kind == RecordKind::kEntry) max_index = std::max(max_index, record.index);
        if (unproven) note_unproven(record);
      }
      result_.segments.push_back({loaded.segment.number, max_index});
    }
    return finish(log);
  }

  void note_unproven(const Record& record) {
    if (record.kind == RecordKind::kReset) {
      result_.restart_log = true;
      result_.unproven_from = 0;
    }
    if (record.kind != RecordKind::kEntry) return;
    Index& from = result_.unproven_from;
    from = from == 0 ? record.index : std::min(from, record.index);
  }

  /// Brings snapshot and log together, and checks that they fit.
  Status finish(const Replay& log) {
    const raft::Snapshot* snapshot = result_.durable.snapshot.get();
    const Index snapshot_at = snapshot == nullptr ? 0 : snapshot->head.index;
    const std::string& first = chain_.front().name;
    if (log.base_index() > snapshot_at) {
      return corrupt(first, 0,
                     "the log begins after entry " + std::to_string(log.base_index()) +
                         ", the snapshot ends with " + std::to_string(snapshot_at));
    }
    if (!log.hard_state()) return corrupt(first, kSegmentHeaderBytes, "the hard state is missing");
    result_.durable.hard_state = *log.hard_state();
    keep_entries(log, snapshot);

    raft::Term term = snapshot == nullptr ? 0 : snapshot->head.term;
    for (const EntryRef& entry : result_.durable.entries) {
      if (entry->term < term) return corrupt(first, 0, "the terms of the log fall");
      term = entry->term;
    }
    if (term > result_.durable.hard_state.term) {
      return corrupt(first, 0, "the log holds a term that the hard state does not know");
    }
    return Done{};
  }

  /// The entries after the snapshot; none of them, if the log is not the snapshot's (§5.1: then the
  /// snapshot came from the leader, and the crash before the log could follow).
  void keep_entries(const Replay& log, const raft::Snapshot* snapshot) {
    const Index after = snapshot == nullptr ? 0 : snapshot->head.index;
    if (snapshot != nullptr && !log.holds(after, snapshot->head.term)) {
      result_.restart_log = true;
      result_.last_index = after;
      return;
    }
    const auto begin = log.entries().begin() + static_cast<ptrdiff_t>(after - log.base_index());
    result_.durable.entries.assign(begin, log.entries().end());
    result_.last_index = log.last_index();
    // Entries that would have to be written again, but that the snapshot stands for.
    if (result_.unproven_from != 0 && result_.unproven_from <= after) result_.restart_log = true;
  }

  Directory& directory_;
  Recovery result_;
  std::vector<uint64_t> segments_;  ///< not yet looked at, ascending
  uint64_t incomplete_ = 0;         ///< the lowest that was never completed
  std::optional<Index> newest_snapshot_;
  std::deque<Loaded> chain_;
};

}  // namespace

Result<Recovery> recover(Directory& directory) { return Recoverer(directory).run(); }

}  // namespace quorate::storage
