/**
 * The same cases computed by Gradus and by what a user of Java would take instead, one after the other in processes of their
 * own. Each peer is a small program in {@code benchmarks/peers}, built with {@code ./mvnw -P peers package}.
 */
package gradus.benchmarks.peers;
