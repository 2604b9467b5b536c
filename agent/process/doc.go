// Package process keeps the process variables of the plant: for each register, coil, address in a data block, node or
// point of a device its last value, who wrote it, its range and mean, how fast it changes, the envelope it kept to while
// the sensor learnt, and the history of its changes.
//
// A variable is one element of an object of one device, whoever asks for it: a read of ten registers observes ten
// variables. Neighbouring elements that hold one number between them (a float in two registers, an integer in two bytes)
// become one variable once the number of samples leaves no doubt; until then each is shown with a guess of its type. The
// raw words are always kept.
//
// Values count as observed when a device told them or confirmed that they were written. A write that was only asked for,
// or refused, stands in the history and changes nothing else. Late observations, whose time lies before the last one, count
// into range, mean and number and never take the place of a later value.
//
// Everything is bounded: variables a device and in all, changes remembered, pairs of words under examination. What finds no
// room is left out and counted; a variable that is written finds room in the place of one that is only read. A poll that is
// answered like the one before costs neither memory nor a look at its variables.
//
// A [Process] is used by one goroutine. Its clock is the packet's.
package process
