/** Settings as plain data: what the readers of layers and of trainings share. Not exported. */
package gradus.layers.config;
