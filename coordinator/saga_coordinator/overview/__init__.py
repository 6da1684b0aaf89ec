"""What is known of the whole: gathered from the store and this instance, at a bounded cost."""
