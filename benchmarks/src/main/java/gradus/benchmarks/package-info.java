/**
 * JMH benchmarks: what is timed here is compared with the reference backend first, and stated as a share of what the
 * machine can do. {@code ./gradus jmh} runs them.
 */
package gradus.benchmarks;
