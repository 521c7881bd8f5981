package gradus.train;

import java.util.List;

/**
 * The learning rate as a function of the step, counted from 0 over all epochs. Schedules are data and compose:
 * {@code Schedule.cosine(0.1, 10_000).warmUp(500)}.
 */
public sealed interface Schedule {
    /** The learning rate of a step. */
    double at(long step);

    /** Always the same. */
    static Schedule constant(double rate) {
        return new Constant(rate);
    }

    /** From {@code rate} down to 0 in {@code steps} along a cosine. */
    static Schedule cosine(double rate, long steps) {
        return new Cosine(rate, steps, 0);
    }

    /** {@code values[i]} up to and including step {@code boundaries[i]}, then the next; the last one to the end. */
    static Schedule steps(List<Long> boundaries, List<Double> values) {
        return new Steps(boundaries, values);
    }

    /** {@code rate factor^(step / steps)}. */
    static Schedule exponential(double rate, long steps, double factor) {
        return new Exponential(rate, steps, factor, false);
    }

    /** Up to {@code peak} in the first three tenths of {@code steps}, then down to nearly nothing (Smith, 2018). */
    static Schedule oneCycle(double peak, long steps) {
        return new OneCycle(peak, steps, 0.3, 25, 1e4);
    }

    /** Before this schedule begins, {@code steps} steps that rise from 0 to its first rate in equal parts. */
    default Schedule warmUp(long steps) {
        return steps == 0 ? this : new WarmUp(this, steps, 0);
    }

    /** This schedule for {@code steps} steps, then another one from its own beginning. */
    default Schedule then(long steps, Schedule next) {
        return new Sequence(this, steps, next);
    }

    /** Every rate times a factor. */
    default Schedule times(double factor) {
        return new Scaled(this, factor);
    }

    /** Always {@code rate}. */
    record Constant(double rate) implements Schedule {
        public Constant {
            if (!(rate >= 0 && rate < Double.POSITIVE_INFINITY)) {
                throw new TrainingException("the learning rate must be 0 or more, not " + rate);
            }
        }

        @Override
        public double at(long step) {
            return rate;
        }
    }

    /** {@code values[i]} up to and including step {@code boundaries[i]}: Keras's {@code PiecewiseConstantDecay}. */
    record Steps(List<Long> boundaries, List<Double> values) implements Schedule {
        public Steps {
            boundaries = List.copyOf(boundaries);
            values = List.copyOf(values);
            if (values.size() != boundaries.size() + 1) {
                throw new TrainingException("a schedule in steps needs one more value than boundaries, not "
                        + values.size() + " and " + boundaries.size());
            }
        }

        @Override
        public double at(long step) {
            int i = 0;
            while (i < boundaries.size() && step > boundaries.get(i)) {
                i++;
            }
            return values.get(i);
        }
    }

    /**
     * {@code rate factor^(step / steps)}, the quotient rounded down if {@code staircase}: Keras's {@code
     * ExponentialDecay}.
     */
    record Exponential(double rate, long steps, double factor, boolean staircase) implements Schedule {
        public Exponential {
            Check.positive("steps", steps);
        }

        @Override
        public double at(long step) {
            double p = (double) step / steps;
            return rate * Math.pow(factor, staircase ? Math.floor(p) : p);
        }
    }

    /**
     * {@code rate ((1 - alpha) (1 + cos(pi step / steps)) / 2 + alpha)}, constant from {@code steps} on (Loshchilov and
     * Hutter, 2017; Keras's {@code CosineDecay}).
     */
    record Cosine(double rate, long steps, double alpha) implements Schedule {
        public Cosine {
            Check.positive("steps", steps);
        }

        @Override
        public double at(long step) {
            double p = (double) Math.min(step, steps) / steps;
            return rate * ((1 - alpha) * 0.5 * (1 + Math.cos(Math.PI * p)) + alpha);
        }
    }

    /**
     * Two half waves of a cosine: from {@code peak / start} to {@code peak} in the first {@code rise} of all steps,
     * then to {@code peak / (start end)} (Smith, 2018; settings of PyTorch's {@code OneCycleLR}).
     */
    record OneCycle(double peak, long steps, double rise, double start, double end) implements Schedule {
        public OneCycle {
            Check.positive("steps", steps);
            Check.positive("rise", rise);
            Check.fraction("rise", rise);
            Check.positive("start", start);
            Check.positive("end", end);
        }

        @Override
        public double at(long step) {
            double top = rise * steps - 1;
            double last = Math.max(steps - 1.0, 1);
            double first = peak / start;
            return step <= top
                    ? between(first, peak, top <= 0 ? 1 : step / top)
                    : between(peak, first / end, Math.min(1, (step - top) / (last - top)));
        }

        private static double between(double from, double to, double p) {
            return to + (from - to) / 2 * (1 + Math.cos(Math.PI * p));
        }
    }

    /**
     * {@code from + (next(0) - from) step / steps} for {@code steps} steps (Goyal et al., 2017), then {@code next} from
     * its own step 0. With a cosine as next it is Keras's {@code CosineDecay} with {@code warmup_target}.
     */
    record WarmUp(Schedule next, long steps, double from) implements Schedule {
        public WarmUp {
            Check.positive("steps", steps);
        }

        @Override
        public double at(long step) {
            return step < steps ? from + (next.at(0) - from) * ((double) step / steps) : next.at(step - steps);
        }
    }

    /** {@code first} for {@code steps} steps, then {@code next} from its own step 0. */
    record Sequence(Schedule first, long steps, Schedule next) implements Schedule {
        @Override
        public double at(long step) {
            return step < steps ? first.at(step) : next.at(step - steps);
        }
    }

    /** Every rate of {@code of} times {@code factor}. */
    record Scaled(Schedule of, double factor) implements Schedule {
        @Override
        public double at(long step) {
            return of.at(step) * factor;
        }
    }
}
