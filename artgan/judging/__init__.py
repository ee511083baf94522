"""What people say of pictures: blind questions, and what their answers are worth."""
