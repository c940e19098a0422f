"""Packing: any source becomes shards that can be read in part, by as many processes as one likes."""
