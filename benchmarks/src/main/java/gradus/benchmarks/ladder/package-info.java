/**
 * How a product of matrices gets from 0.5 % to nine tenths of what a core can do, and a 3 x 3 convolution beyond that: one
 * idea a class, every rung under the same test. The chapter that goes with it is docs/ladder.md.
 */
package gradus.benchmarks.ladder;
