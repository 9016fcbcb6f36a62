-- For the removal of a deleted user's name from the responses in which it is.
CREATE INDEX client_requests_with_users ON client_requests (collection_key)
    WHERE response @? '$.*[*].UserId';
