#include "continual/training/phase_trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/logging.h"
#include "common/kernels/elementwise.h"
#include "common/nn/loss.h"
#include "common/nn/squared_sink.h"
#include "common/optim/schedule.h"

namespace perennial::continual {

PhaseTrainer::PhaseTrainer(const nn::Network& network, const Phase& phase,
                           const random::Stream& random, nn::Rows<float>& rows)
    : network_(network), phase_(phase), rows_(rows), dropout_(random.Split("dropout")) {
  const auto is_row = [&rows](int row) { return row >= 0 && row < rows.count(); };
  CHECK(is_row(phase.row)) << "row of phase " << phase.name;
  if (phase.penalty.has_value()) {
    CHECK(phase.optimizer.kind == optim::OptimizerKind::kSgd && is_row(phase.penalty->pull_row) &&
          is_row(phase.penalty->precision_row))
        << "penalty of phase " << phase.name;
  }
  if (phase.fisher.has_value()) {
    CHECK(is_row(phase.fisher->row) && phase.fisher->row != phase.row && phase.epochs == 1 &&
          phase.terms.size() == 1 && phase.terms[0].draw == Draw::kEpochs &&
          !phase.terms[0].line.has_value())
        << "Fisher estimate of phase " << phase.name;
  }
  for (size_t i = 0; i < phase.terms.size(); ++i) {
    const LossTerm& term = phase.terms[i];
    CHECK(term.images.size() > 0 && term.batch_size > 0)
        << "term " << i << " of phase " << phase.name;
    CHECK(!term.line.has_value() || (term.line->points >= 1 && term.line->row != phase.row &&
                                     is_row(term.line->row) && !term.constraint))
        << "line of term " << i << " of phase " << phase.name;
    CHECK(term.constraint || gradients_ == 1) << "phase " << phase.name << ": constraints are last";
    const random::Stream draws = random.Split(i);
    samplers_.push_back({draws, {draws, term.images.size(), term.batch_size}, {}});
    if (term.draw == Draw::kEpochs) {
      steps_ = std::max(steps_, phase.epochs * samplers_.back().epochs.batches_per_epoch());
    }
    const int64_t rows_of_batch = std::min(term.batch_size, term.images.size());
    if (term.line.has_value()) {
      line_rows_ = std::max(line_rows_, rows_of_batch);
    } else {
      plain_rows_ += rows_of_batch;  // All terms at the row itself share a pass.
    }
    if (term.constraint) gradients_ = 2;
  }
}

int64_t PhaseTrainer::MemoryBytes() const {
  if (steps_ == 0) return 0;
  const int64_t row = network_.layout().trainable() * static_cast<int64_t>(sizeof(float));
  int64_t bytes = row * (gradients_ + optim::Optimizer<float>::StateRows(phase_.optimizer));
  if (plain_rows_ > 0) {
    // A Fisher estimate squares what a workspace holds.
    bytes +=
        (phase_.fisher.has_value() ? 2 : 1) * nn::Workspace<float>::Bytes(network_, plain_rows_);
  }
  if (line_rows_ > 0) bytes += nn::AffinePass<float>::Bytes(network_, line_rows_, 2);
  // Images that are turned for a batch.
  return bytes + (plain_rows_ + line_rows_) * network_.inputs();
}

const optim::Optimizer<float>& PhaseTrainer::optimizer() const {
  if (!optimizer_.has_value()) {
    optimizer_.emplace(phase_.optimizer, network_.layout().trainable());
  }
  return *optimizer_;
}

optim::Optimizer<float>& PhaseTrainer::optimizer() {
  std::as_const(*this).optimizer();
  return *optimizer_;
}

nn::Row<float> PhaseTrainer::MutableGradient(int index) {
  if (!gradient_.has_value()) gradient_.emplace(gradients_, rows_.size());
  return gradient_->row(index);
}

nn::ForwardOptions PhaseTrainer::Options(int64_t step) const {
  return {.mode = phase_.dropout ? nn::Mode::kTrain : nn::Mode::kEvaluate,
          .dropout = dropout_.Split(step)};
}

int64_t PhaseTrainer::BatchSize(size_t index, int64_t step) const {
  const LossTerm& term = phase_.terms[index];
  return term.draw == Draw::kRandom ? std::min(term.batch_size, term.images.size())
                                    : samplers_[index].epochs.BatchSize(step);
}

std::span<const int32_t> PhaseTrainer::Indices(size_t index, int64_t step) {
  const LossTerm& term = phase_.terms[index];
  Sampler& sampler = samplers_[index];
  if (term.draw == Draw::kEpochs) return sampler.epochs.Batch(step);
  sampler.drawn = sampler.random.Split(step).Sample(term.images.size(),
                                                    static_cast<int32_t>(BatchSize(index, step)));
  return sampler.drawn;
}

PhaseTrainer::Work PhaseTrainer::WorkOf(int64_t step) const {
  Work work;
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    const int64_t rows = BatchSize(i, step);
    const int64_t passes = term.line.has_value() ? term.line->passes() : 1;
    const double flops = term.line.has_value()
                             ? nn::AffinePass<float>::TrainingFlops(network_, rows, 2, 1, passes)
                             : network_.training_flops(rows);
    (term.replay ? work.replayed : work.examples) += passes * rows;
    (term.replay ? work.replay_flops : work.training_flops) += flops;
    work.passes += passes;
  }
  return work;
}

void PhaseTrainer::ClearBatch() {
  staging_.Clear();
  parts_.clear();
  labels_.clear();
  weights_.clear();
}

void PhaseTrainer::AddBatch(size_t index, int64_t step, double weight) {
  const ImageView& images = phase_.terms[index].images;
  const std::span<const int32_t> indices = Indices(index, step);
  images.AddParts(indices, staging_, parts_);
  for (const int32_t i : indices) labels_.push_back(images.label(i));
  weights_.resize(labels_.size(), static_cast<float>(weight / static_cast<double>(indices.size())));
}

double PhaseTrainer::ForwardPlainTerms(int64_t step) {
  if (plain_rows_ == 0) return 0;
  if (!workspace_.has_value()) workspace_.emplace(network_, plain_rows_);
  ClearBatch();
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    const LossTerm& term = phase_.terms[i];
    if (term.line.has_value()) continue;
    AddBatch(i, step, term.weight);
    if (!term.constraint) adding_rows_ = std::ssize(labels_);
  }
  network_.Forward<float>(rows_.row(phase_.row), data::Batch(parts_), *workspace_, Options(step));
  double loss = 0;  // Of the rows before `adding_rows_`.
  for (const auto& [begin, end] :
       {std::pair(int64_t{0}, adding_rows_), std::pair(adding_rows_, std::ssize(labels_))}) {
    if (begin == end) continue;
    kernels::MatrixView<const float> outputs = workspace_->output();
    kernels::MatrixView<float> gradient = workspace_->output_gradient();
    outputs.data += begin * outputs.stride;
    gradient.data += begin * gradient.stride;
    outputs.rows = gradient.rows = end - begin;
    const double part =
        nn::SoftmaxCrossEntropy<float>(outputs, std::span(labels_).subspan(begin, end - begin),
                                       std::span(weights_).subspan(begin, end - begin), gradient);
    if (end == adding_rows_) loss = part;
  }
  return loss;
}

void PhaseTrainer::PlainGradient() {
  nn::GradientSink<float> sink(MutableGradient(), Mode::kOverwrite);
  if (gradients_ == 1) {
    network_.Backward<float>(rows_.row(phase_.row), *workspace_, sink);
    return;
  }
  nn::GradientSink<float> constraint(MutableGradient(1), Mode::kOverwrite);
  nn::SplitSink<float> both(adding_rows_, sink, constraint);
  network_.Backward<float>(rows_.row(phase_.row), *workspace_, both);
}

double PhaseTrainer::LineLossAndGradient(size_t index, int64_t step, Mode mode) {
  const LossTerm& term = phase_.terms[index];
  const LineFrom& from = *term.line;
  ClearBatch();
  AddBatch(index, step, from.stochastic ? term.weight : term.weight / (from.points + 1));
  if (!line_.has_value()) line_.emplace(network_, line_rows_, 2);
  const nn::ConstRow<float> basis[] = {rows_.row(from.row), rows_.row(phase_.row)};
  const nn::Row<float> gradients[] = {{}, MutableGradient()};
  line_->Begin(basis, data::Batch(parts_), Options(step));
  line_->BeginGradients(gradients, mode);
  double loss = 0;
  const auto add_point = [&](float alpha) {
    const float point[] = {1 - alpha, alpha};
    line_->Forward(point);
    loss += nn::SoftmaxCrossEntropy<float>(line_->workspace().output(), labels_, weights_,
                                           line_->workspace().output_gradient());
    const float once[] = {0, 1};
    line_->Backward(from.chain_rule ? point : once);
  };
  if (from.stochastic) {
    add_point(static_cast<float>(samplers_[index].random.Split("alpha").Split(step).Uniform()));
  } else {
    for (int k = from.chain_rule ? 1 : 0; k <= from.points; ++k) {
      add_point(static_cast<float>(k) / static_cast<float>(from.points));
    }
  }
  line_->EndGradients();
  return loss;
}

double PhaseTrainer::LossAndGradient(int64_t step) {
  Mode mode = Mode::kOverwrite;
  double loss = ForwardPlainTerms(step);
  if (plain_rows_ > 0) {
    PlainGradient();
    mode = Mode::kAccumulate;
  }
  for (size_t i = 0; i < phase_.terms.size(); ++i) {
    if (!phase_.terms[i].line.has_value()) continue;
    loss += LineLossAndGradient(i, step, mode);
    mode = Mode::kAccumulate;
  }
  const int64_t trained = network_.layout().trainable();
  const nn::Row<float> gradient = MutableGradient().first(trained);
  if (gradients_ == 2) {
    const nn::ConstRow<float> bound = MutableGradient(1).first(trained);
    const double along = kernels::Dot<float>(gradient, bound);
    if (along < 0) {
      const double share = along / kernels::SquaredNorm<float>(bound);
      kernels::Axpy<float>(static_cast<float>(-share), bound, gradient);
    }
  }
  if (phase_.penalty.has_value() && !phase_.penalty->proximal) {
    kernels::AddQuadraticGradient<float>(
        static_cast<float>(phase_.penalty->strength), Trained(phase_.penalty->precision_row),
        Trained(phase_.penalty->pull_row), Trained(phase_.row), gradient);
  }
  return loss;
}

double PhaseTrainer::FisherStep(int64_t step) {
  const FisherEstimate& fisher = *phase_.fisher;
  const bool batch_mean = fisher.kind == FisherEstimate::Kind::kBatchMean;
  if (!workspace_.has_value()) workspace_.emplace(network_, plain_rows_);
  ClearBatch();
  AddBatch(0, step, 1);
  network_.Forward<float>(rows_.row(phase_.row), data::Batch(parts_), *workspace_);
  // Single examples' gradients are squared: their weight is 1.
  if (!batch_mean) std::ranges::fill(weights_, 1.0f);
  if (fisher.kind == FisherEstimate::Kind::kSampled) {
    random::Stream random = samplers_[0].random.Split("labels").Split(step);
    const kernels::MatrixView<const float> logits = workspace_->output();
    for (int64_t r = 0; r < logits.rows; ++r) {
      labels_[r] = nn::SampleSoftmax<float>({logits.row(r), static_cast<size_t>(logits.columns)},
                                            random.Uniform());
    }
  }
  const double sum = nn::SoftmaxCrossEntropy<float>(workspace_->output(), labels_, weights_,
                                                    workspace_->output_gradient());
  const nn::Row<float> row = Trained(fisher.row);
  if (batch_mean) {
    PlainGradient();
    const nn::Row<float> g = MutableGradient().first(std::ssize(row));
    const kernels::MatrixView<float> squares = {g.data(), 1, std::ssize(g), std::ssize(g)};
    kernels::Square<float>(squares, squares);
    kernels::Axpy<float>(1.0f / static_cast<float>(steps_), g, row);
    return sum;
  }
  nn::SquaredGradientSink<float> sink(row,
                                      1.0f / static_cast<float>(phase_.terms[0].images.size()));
  network_.Backward<float>(rows_.row(phase_.row), *workspace_, sink);
  return sum / static_cast<double>(labels_.size());
}

double PhaseTrainer::Step(int64_t step) {
  if (phase_.fisher.has_value()) return FisherStep(step);
  const nn::Row<float> row = rows_.row(phase_.row);
  const bool proximal = phase_.penalty.has_value() && phase_.penalty->proximal;
  double loss = 0;
  if (line_rows_ == 0 && gradients_ == 1 && (proximal || !phase_.penalty.has_value())) {
    // Nobody asks for the gradient: it becomes the update layer by layer.
    loss = ForwardPlainTerms(step);
    if (!std::isfinite(loss)) return loss;
    if (!update_.has_value()) update_.emplace(optimizer(), row);
    update_->BeginStep();
    network_.Backward<float>(row, *workspace_, *update_);
    update_->EndStep();
  } else {
    loss = LossAndGradient(step);
    if (!std::isfinite(loss)) return loss;
    optimizer().Step(MutableGradient().first(network_.layout().trainable()), Trained(phase_.row));
  }
  if (proximal) {
    const optim::OptimizerConfig& sgd = phase_.optimizer;
    const double rate = sgd.learning_rate * optim::Factor(sgd.schedule, step);
    kernels::QuadraticProximalStep<float>(
        static_cast<float>(phase_.penalty->strength * rate / (1 - sgd.momentum)),
        Trained(phase_.penalty->precision_row), Trained(phase_.penalty->pull_row),
        Trained(phase_.row));
  }
  if (plain_rows_ > 0 && phase_.dropout) {
    network_.UpdateRunningStatistics<float>(*workspace_, row);
  }
  return loss;
}

void ApplyStart(const Phase& phase, nn::Rows<float>& rows) {
  if (phase.fisher.has_value()) std::ranges::fill(rows.row(phase.fisher->row), 0.0f);
  if (phase.start.empty()) return;
  if (phase.start.size() == 1 && phase.start[0].weight == 1) {
    if (phase.start[0].row != phase.row) rows.CopyRow(phase.start[0].row, phase.row);
    return;
  }
  nn::Rows<float> sum(1, rows.size());
  for (const WeightedRow& term : phase.start) {
    kernels::Axpy<float>(static_cast<float>(term.weight), rows.row(term.row), sum.row(0));
  }
  std::ranges::copy(sum.row(0), rows.row(phase.row).begin());
}

}  // namespace perennial::continual
